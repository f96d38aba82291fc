#include "CImageCodecs.h"

#include <png.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
  // Deflate spends at least two bits on a match of at most 258 bytes.
  largest_deflate_ratio = 1032,
  largest_ancillary_chunk = 8 << 20,
  most_cached_chunks = 128,
};

typedef struct png_source {
  const uint8_t *bytes;
  size_t count;
  size_t offset;
  int ended_early;
} png_source;

/// Whether memory ran out; libpng has words for it alone.
typedef struct png_memory {
  int ran_out;
} png_memory;

static png_voidp take_memory(png_structp png, png_alloc_size_t size) {
  void *memory = malloc(size);
  png_memory *state = png_get_mem_ptr(png);
  if (memory == NULL && state != NULL) {
    state->ran_out = 1;
  }
  return memory;
}

static void give_memory(png_structp png, png_voidp memory) {
  (void)png;
  free(memory);
}

static legrad_codec_status failure(const png_memory *memory) {
  return memory->ran_out ? LEGRAD_CODEC_OUT_OF_MEMORY : LEGRAD_CODEC_CORRUPT;
}

static void take_message(png_structp png, png_const_charp text) {
  legrad_codec_message *message = png_get_error_ptr(png);
  snprintf(message->text, sizeof message->text, "%s", text);
  png_longjmp(png, 1);
}

static void ignore_warning(png_structp png, png_const_charp text) {
  (void)png;
  (void)text;
}

static void read_bytes(png_structp png, png_bytep out, size_t count) {
  png_source *source = png_get_io_ptr(png);
  if (count > source->count - source->offset) {
    source->ended_early = 1;
    png_error(png, "the file ends early");
  }
  memcpy(out, source->bytes + source->offset, count);
  source->offset += count;
}

/// A reader with the limits of this target, or NULL.
static png_structp make_reader(
    png_source *source, png_infop *info, png_memory *memory, legrad_codec_message *message) {
  png_structp png = png_create_read_struct_2(
      PNG_LIBPNG_VER_STRING, message, take_message, ignore_warning, memory, take_memory, give_memory);
  if (png == NULL) {
    return NULL;
  }
  *info = png_create_info_struct(png);
  if (*info == NULL) {
    png_destroy_read_struct(&png, NULL, NULL);
    return NULL;
  }
  png_set_read_fn(png, source, read_bytes);
  // The caller judges the size itself, to name its limit in the error.
  png_set_user_limits(png, PNG_UINT_31_MAX, PNG_UINT_31_MAX);
  png_set_chunk_cache_max(png, most_cached_chunks);
  png_set_chunk_malloc_max(png, largest_ancillary_chunk);
  png_set_crc_action(png, PNG_CRC_ERROR_QUIT, PNG_CRC_ERROR_QUIT);
  // A negative count means: skip every chunk but IHDR, PLTE, tRNS, IDAT and IEND.
  png_set_keep_unknown_chunks(png, PNG_HANDLE_CHUNK_NEVER, NULL, -1);
  return png;
}

static legrad_codec_status no_reader(legrad_codec_message *message) {
  if (message->text[0] == '\0') {
    snprintf(message->text, sizeof message->text, "libpng could not be set up");
  }
  return LEGRAD_CODEC_OUT_OF_MEMORY;
}

legrad_codec_status legrad_png_size(
    const uint8_t *bytes, size_t count, uint32_t *width, uint32_t *height, legrad_codec_message *message) {
  message->text[0] = '\0';
  png_source source = {bytes, count, 0, 0};
  png_memory memory = {0};
  png_infop info = NULL;
  png_structp png = make_reader(&source, &info, &memory, message);
  if (png == NULL) {
    return no_reader(message);
  }
  if (setjmp(png_jmpbuf(png))) {
    png_destroy_read_struct(&png, &info, NULL);
    return failure(&memory);
  }
  png_read_info(png, info);
  *width = png_get_image_width(png, info);
  *height = png_get_image_height(png, info);
  uint64_t bits = (uint64_t)png_get_channels(png, info) * png_get_bit_depth(png, info);
  uint64_t least_bytes = (uint64_t)*width * *height / (8 * largest_deflate_ratio) * bits;
  if (least_bytes > count) {
    png_error(png, "the file is too short to hold as many pixels as its header says");
  }
  png_destroy_read_struct(&png, &info, NULL);
  return LEGRAD_CODEC_OK;
}

/// Asks libpng for 8-bit RGB whatever the file holds, but for 8-bit indices if it has a palette.
static void request_rgb(png_structp png, png_infop info) {
  png_byte type = png_get_color_type(png, info);
  png_byte depth = png_get_bit_depth(png, info);
  if (type == PNG_COLOR_TYPE_PALETTE) {
    png_set_packing(png);
    return;
  }
  if (type == PNG_COLOR_TYPE_GRAY && depth < 8) {
    png_set_expand_gray_1_2_4_to_8(png);
  }
  if (depth == 16) {
    png_set_strip_16(png);
  }
  if ((type & PNG_COLOR_MASK_COLOR) == 0) {
    png_set_gray_to_rgb(png);
  }
  if ((type & PNG_COLOR_MASK_ALPHA) != 0 || png_get_valid(png, info, PNG_INFO_tRNS)) {
    png_set_strip_alpha(png);
  }
}

/// Reads what is behind the pixels, and says whether that may be so: damage may not, but the end may be missing, as in
/// Pillow, which has no more use for it either. After this, libpng must not fail.
static int read_end(png_structp png, const png_source *source) {
  if (setjmp(png_jmpbuf(png))) {
    return source->ended_early;
  }
  png_read_end(png, NULL);
  return 1;
}

/// Turns indices, which lie in the last third of each row, into colours. libpng would give black for an index past the
/// palette; here that is an error.
static void look_up_colours(png_structp png, png_infop info, uint32_t width, uint32_t height, uint8_t *pixels) {
  png_colorp palette = NULL;
  int colours = 0;
  png_get_PLTE(png, info, &palette, &colours);
  size_t stride = (size_t)width * 3;
  for (size_t y = 0; y < height; y++) {
    uint8_t *row = pixels + y * stride;
    const uint8_t *indices = row + (size_t)width * 2;
    for (size_t x = 0; x < width; x++) {
      uint8_t index = indices[x];
      if (index >= colours) {
        png_error(png, "a pixel's palette index is past the palette");
      }
      row[3 * x] = palette[index].red;
      row[3 * x + 1] = palette[index].green;
      row[3 * x + 2] = palette[index].blue;
    }
  }
}

/// Asks libpng for 8-bit RGB with alpha whatever the file holds; opaque where it holds none.
static void request_rgba(png_structp png) {
  png_set_expand(png);
  png_set_strip_16(png);
  png_set_gray_to_rgb(png);
  png_set_add_alpha(png, 0xFF, PNG_FILLER_AFTER);
}

/// `channels` is 3 for RGB and 4 for RGB with alpha.
static legrad_codec_status decode(
    const uint8_t *bytes, size_t count, uint32_t width, uint32_t height, int channels, uint8_t *pixels,
    legrad_codec_message *message) {
  message->text[0] = '\0';
  png_source source = {bytes, count, 0, 0};
  png_memory memory = {0};
  png_infop info = NULL;
  png_structp png = make_reader(&source, &info, &memory, message);
  if (png == NULL) {
    return no_reader(message);
  }
  if (setjmp(png_jmpbuf(png))) {
    png_destroy_read_struct(&png, &info, NULL);
    return failure(&memory);
  }
  png_read_info(png, info);
  if (png_get_image_width(png, info) != width || png_get_image_height(png, info) != height) {
    png_error(png, "the size differs from the one asked for");
  }
  if (channels == 4) {
    request_rgba(png);
  } else {
    request_rgb(png, info);
  }
  int passes = png_set_interlace_handling(png);
  png_read_update_info(png, info);
  int has_palette = png_get_color_type(png, info) == PNG_COLOR_TYPE_PALETTE;
  size_t stride = (size_t)width * channels;
  size_t start = has_palette ? (size_t)width * 2 : 0;
  if (png_get_rowbytes(png, info) != stride - start) {
    png_error(
        png, channels == 4 ? "the rows do not come out as 8-bit RGBA" : "the rows do not come out as 8-bit RGB");
  }
  for (int pass = 0; pass < passes; pass++) {
    for (size_t y = 0; y < height; y++) {
      png_read_row(png, pixels + y * stride + start, NULL);
    }
  }
  if (has_palette) {
    look_up_colours(png, info, width, height, pixels);
  }
  int is_whole = read_end(png, &source);
  png_destroy_read_struct(&png, &info, NULL);
  return is_whole ? LEGRAD_CODEC_OK : LEGRAD_CODEC_CORRUPT;
}

legrad_codec_status legrad_png_decode(
    const uint8_t *bytes, size_t count, uint32_t width, uint32_t height, uint8_t *pixels,
    legrad_codec_message *message) {
  return decode(bytes, count, width, height, 3, pixels, message);
}

legrad_codec_status legrad_png_decode_rgba(
    const uint8_t *bytes, size_t count, uint32_t width, uint32_t height, uint8_t *pixels,
    legrad_codec_message *message) {
  return decode(bytes, count, width, height, 4, pixels, message);
}
