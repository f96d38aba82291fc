#include "CCLIPMerges.h"

#if !defined(__has_embed)
#error "this file needs C23 #embed: build with the Swift 6.3 toolchain or newer, whose clang has it"
#endif

static const uint8_t merges[] = {
#embed "clip_merges.bin"
};

const uint8_t *legrad_clip_merges_bytes(void) { return merges; }

size_t legrad_clip_merges_count(void) { return sizeof(merges); }
