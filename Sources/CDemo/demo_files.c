#include "CDemo.h"

#if !defined(__has_embed)
#error "this file needs C23 #embed: build with the Swift 6.3 toolchain or newer, whose clang has it"
#endif

// One line of `files` and one array for each file; a test compares them with the folders on disk.

static const uint8_t model_config[] = {
#embed "model/open_clip_config.json"
};

static const uint8_t model_weights[] = {
#embed "model/open_clip_model.safetensors"
};

static const uint8_t model_vocabulary[] = {
#embed "model/vocab.json"
};

static const uint8_t model_merges[] = {
#embed "model/merges.txt"
};

static const uint8_t sample_table[] = {
#embed "samples/samples.json"
};

static const uint8_t sample_dusk[] = {
#embed "samples/dusk.png"
};

static const uint8_t sample_lilac[] = {
#embed "samples/lilac.png"
};

static const uint8_t sample_slate[] = {
#embed "samples/slate.png"
};

static const legrad_demo_file files[] = {
    {"model/open_clip_config.json", model_config, sizeof model_config},
    {"model/open_clip_model.safetensors", model_weights, sizeof model_weights},
    {"model/vocab.json", model_vocabulary, sizeof model_vocabulary},
    {"model/merges.txt", model_merges, sizeof model_merges},
    {"samples/samples.json", sample_table, sizeof sample_table},
    {"samples/dusk.png", sample_dusk, sizeof sample_dusk},
    {"samples/lilac.png", sample_lilac, sizeof sample_lilac},
    {"samples/slate.png", sample_slate, sizeof sample_slate},
};

size_t legrad_demo_file_count(void) { return sizeof files / sizeof files[0]; }

legrad_demo_file legrad_demo_file_at(size_t index) {
  legrad_demo_file none = {NULL, NULL, 0};
  return index < legrad_demo_file_count() ? files[index] : none;
}
