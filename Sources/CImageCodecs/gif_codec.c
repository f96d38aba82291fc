#include "library.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// giflib's own (gif_lib.h of 5.1 and later).

typedef struct gif_colour {
  uint8_t red, green, blue;
} gif_colour;

typedef struct gif_colours {
  int count, bits;
  bool is_sorted;
  gif_colour *colours;
} gif_colours;

typedef struct gif_frame {
  int left, top, width, height;
  bool is_interlaced;
  gif_colours *colours;
} gif_frame;

typedef struct gif_file {
  int width, height, colour_resolution, background;
  uint8_t aspect;
  gif_colours *colours;
  int image_count;
  gif_frame frame;
  void *saved_images;
  int extension_count;
  void *extensions;
  int error;
  void *user;
  void *own;
} gif_file;

enum {
  gif_ok = 1,
  error_out_of_memory = 109,
};

enum { record_frame = 2, record_extension = 3, record_end = 4 };

enum { extension_graphics_control = 0xF9 };

#define GIF_CALLS(CALL)                                                                                              \
  CALL(gif_file *, DGifOpen, (void *user, int (*read)(gif_file *, uint8_t *, int), int *error))                      \
  CALL(int, DGifCloseFile, (gif_file *, int *error))                                                                 \
  CALL(int, DGifGetRecordType, (gif_file *, int *type))                                                              \
  CALL(int, DGifGetImageDesc, (gif_file *))                                                                          \
  CALL(int, DGifGetLine, (gif_file *, uint8_t *line, int count))                                                     \
  CALL(int, DGifGetExtension, (gif_file *, int *code, uint8_t **block))                                              \
  CALL(int, DGifGetExtensionNext, (gif_file *, uint8_t **block))                                                     \
  CALL(const char *, GifErrorString, (int error))

static struct {
  GIF_CALLS(LEGRAD_CALL_FIELD)
} gif;
static const char *const call_names[] = {GIF_CALLS(LEGRAD_CALL_NAME)};
static const char *const file_names[] = {"libgif.so.7", NULL};
static int is_open;
static legrad_codec_message reason;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void open_once(void) {
  _Static_assert(sizeof gif == sizeof call_names, "a name for each call");
  is_open =
      legrad_open_library(file_names, call_names, sizeof call_names / sizeof *call_names, (void **)&gif, &reason);
}

int legrad_open_gif(legrad_codec_message *message) {
  pthread_once(&once, open_once);
  *message = reason;
  return is_open;
}

typedef struct gif_source {
  const uint8_t *bytes;
  size_t count, offset;
} gif_source;

static int read_bytes(gif_file *file, uint8_t *out, int count) {
  gif_source *source = file->user;
  size_t rest = source->count - source->offset;
  size_t taken = count < 0 ? 0 : (size_t)count < rest ? (size_t)count : rest;
  memcpy(out, source->bytes + source->offset, taken);
  source->offset += taken;
  return (int)taken;
}

static legrad_codec_status corrupt(legrad_codec_message *message, const char *words) {
  snprintf(message->text, sizeof message->text, "%s", words);
  return LEGRAD_CODEC_CORRUPT;
}

static legrad_codec_status failure(int error, legrad_codec_message *message) {
  const char *words = gif.GifErrorString(error);
  corrupt(message, words == NULL ? "an unknown error" : words);
  return error == error_out_of_memory ? LEGRAD_CODEC_OUT_OF_MEMORY : LEGRAD_CODEC_CORRUPT;
}

/// Reads up to the first frame's pixels.
/// - Parameter transparent: the index that the frame leaves out; -1 for none.
static legrad_codec_status find_frame(gif_file *file, int *transparent, legrad_codec_message *message) {
  *transparent = -1;
  for (;;) {
    int type = 0, code = 0;
    if (gif.DGifGetRecordType(file, &type) != gif_ok) {
      return failure(file->error, message);
    }
    if (type == record_frame) {
      if (gif.DGifGetImageDesc(file) != gif_ok) {
        return failure(file->error, message);
      }
      const gif_frame *frame = &file->frame;
      int is_sane = frame->left >= 0 && frame->top >= 0 && frame->width > 0 && frame->height > 0 && file->width > 0 &&
          file->height > 0;
      return is_sane ? LEGRAD_CODEC_OK : corrupt(message, "a size of no pixels");
    }
    if (type != record_extension) {
      return corrupt(message, "the file ends before its first frame");
    }
    uint8_t *block = NULL;
    if (gif.DGifGetExtension(file, &code, &block) != gif_ok) {
      return failure(file->error, message);
    }
    // A block begins with its length: flags, time, transparent index.
    if (code == extension_graphics_control && block != NULL && block[0] >= 4 && (block[1] & 1) != 0) {
      *transparent = block[4];
    }
    while (block != NULL) {
      if (gif.DGifGetExtensionNext(file, &block) != gif_ok) {
        return failure(file->error, message);
      }
    }
  }
}

/// The canvas reaches as far as its first frame.
static void take_size(const gif_file *file, uint32_t *width, uint32_t *height) {
  int right = file->frame.left + file->frame.width, bottom = file->frame.top + file->frame.height;
  *width = (uint32_t)(right > file->width ? right : file->width);
  *height = (uint32_t)(bottom > file->height ? bottom : file->height);
}

/// Where a colour of each index is taken from; grey beyond the colours that the file has, as in Pillow.
/// - Returns: how many indices a pixel may have.
static int take_colours(const gif_file *file, gif_colour table[256]) {
  for (int i = 0; i < 256; i++) {
    table[i] = (gif_colour){(uint8_t)i, (uint8_t)i, (uint8_t)i};
  }
  const gif_colours *colours = file->frame.colours != NULL ? file->frame.colours : file->colours;
  if (colours == NULL) {
    return 256;
  }
  int count = colours->count < 256 ? colours->count : 256;
  memcpy(table, colours->colours, (size_t)count * sizeof *table);
  return count;
}

static legrad_codec_status read_pixels(
    gif_file *file, uint8_t *line, int transparent, uint32_t width, uint32_t height, uint8_t *pixels,
    legrad_codec_message *message) {
  gif_colour table[256];
  int count = take_colours(file, table);
  const gif_frame *frame = &file->frame;
  if ((uint32_t)frame->width != width || (uint32_t)frame->height != height) {
    gif_colour around = table[transparent < 0 ? 0 : transparent];
    for (size_t i = 0; i < (size_t)width * height; i++) {
      memcpy(pixels + 3 * i, &around, 3);
    }
  }
  // Interlaced rows: every eighth, those in the middle of them, and so on.
  static const int starts[] = {0, 4, 2, 1}, steps[] = {8, 8, 4, 2};
  int passes = frame->is_interlaced ? 4 : 1;
  for (int pass = 0; pass < passes; pass++) {
    for (int y = starts[pass]; y < frame->height; y += frame->is_interlaced ? steps[pass] : 1) {
      if (gif.DGifGetLine(file, line, frame->width) != gif_ok) {
        return failure(file->error, message);
      }
      uint8_t *row = pixels + ((size_t)(frame->top + y) * width + (size_t)frame->left) * 3;
      for (int x = 0; x < frame->width; x++) {
        if (line[x] >= count) {
          return corrupt(message, "a pixel's palette index is past the palette");
        }
        memcpy(row + 3 * (size_t)x, &table[line[x]], 3);
      }
    }
  }
  return LEGRAD_CODEC_OK;
}

static gif_file *open_file(gif_source *source, legrad_codec_status *status, legrad_codec_message *message) {
  if (!legrad_open_gif(message)) {
    *status = LEGRAD_CODEC_NO_LIBRARY;
    return NULL;
  }
  int error = 0;
  gif_file *file = gif.DGifOpen(source, read_bytes, &error);
  *status = file == NULL ? failure(error, message) : LEGRAD_CODEC_OK;
  return file;
}

legrad_codec_status legrad_gif_size(
    const uint8_t *bytes, size_t count, uint32_t *width, uint32_t *height, legrad_codec_message *message) {
  message->text[0] = '\0';
  gif_source source = {bytes, count, 0};
  legrad_codec_status status;
  gif_file *file = open_file(&source, &status, message);
  if (file == NULL) {
    return status;
  }
  int transparent;
  status = find_frame(file, &transparent, message);
  if (status == LEGRAD_CODEC_OK) {
    take_size(file, width, height);
  }
  gif.DGifCloseFile(file, NULL);
  return status;
}

legrad_codec_status legrad_gif_decode(
    const uint8_t *bytes, size_t count, uint32_t width, uint32_t height, uint8_t *pixels,
    legrad_codec_message *message) {
  message->text[0] = '\0';
  gif_source source = {bytes, count, 0};
  legrad_codec_status status;
  gif_file *file = open_file(&source, &status, message);
  if (file == NULL) {
    return status;
  }
  int transparent;
  status = find_frame(file, &transparent, message);
  if (status == LEGRAD_CODEC_OK) {
    uint32_t found_width, found_height;
    take_size(file, &found_width, &found_height);
    uint8_t *line = malloc((size_t)file->frame.width);
    if (found_width != width || found_height != height) {
      status = corrupt(message, "the size differs from the one asked for");
    } else if (line == NULL) {
      status = LEGRAD_CODEC_OUT_OF_MEMORY;
      snprintf(message->text, sizeof message->text, "%d bytes could not be allocated", file->frame.width);
    } else {
      status = read_pixels(file, line, transparent, width, height, pixels, message);
    }
    free(line);
  }
  gif.DGifCloseFile(file, NULL);
  return status;
}
