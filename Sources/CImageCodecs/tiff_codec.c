#include "library.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

// libtiff's own (tiffio.h of 4.5 and later, which has options for each file), and TIFF's numbers (revision 6).

typedef struct tiff TIFF;
typedef struct tiff_options TIFFOpenOptions;
typedef ptrdiff_t tmsize_t;
typedef int report(TIFF *, void *user, const char *module, const char *format, va_list arguments);

#define TIFF_CALLS(CALL)                                                                                             \
  CALL(TIFFOpenOptions *, TIFFOpenOptionsAlloc, (void))                                                              \
  CALL(void, TIFFOpenOptionsFree, (TIFFOpenOptions *))                                                               \
  CALL(void, TIFFOpenOptionsSetMaxSingleMemAlloc, (TIFFOpenOptions *, tmsize_t))                                     \
  CALL(void, TIFFOpenOptionsSetErrorHandlerExtR, (TIFFOpenOptions *, report *, void *user))                          \
  CALL(void, TIFFOpenOptionsSetWarningHandlerExtR, (TIFFOpenOptions *, report *, void *user))                        \
  CALL(TIFF *, TIFFClientOpenExt,                                                                                    \
       (const char *name, const char *mode, void *source, tmsize_t (*read)(void *, void *, tmsize_t),                \
        tmsize_t (*write)(void *, void *, tmsize_t), uint64_t (*seek)(void *, uint64_t, int), int (*close)(void *),  \
        uint64_t (*size)(void *), int (*map)(void *, void **, uint64_t *), void (*unmap)(void *, void *, uint64_t),  \
        TIFFOpenOptions *))                                                                                          \
  CALL(void, TIFFClose, (TIFF *))                                                                                    \
  CALL(int, TIFFGetField, (TIFF *, uint32_t tag, ...))                                                               \
  CALL(int, TIFFGetFieldDefaulted, (TIFF *, uint32_t tag, ...))                                                      \
  CALL(int, TIFFSetField, (TIFF *, uint32_t tag, ...))                                                               \
  CALL(int, TIFFIsTiled, (TIFF *))                                                                                   \
  CALL(int, TIFFIsCODECConfigured, (uint16_t))                                                                       \
  CALL(uint64_t, TIFFScanlineSize64, (TIFF *))                                                                       \
  CALL(int, TIFFReadScanline, (TIFF *, void *row, uint32_t y, uint16_t plane))                                       \
  CALL(uint64_t, TIFFTileSize64, (TIFF *))                                                                           \
  CALL(uint64_t, TIFFTileRowSize64, (TIFF *))                                                                        \
  CALL(uint32_t, TIFFComputeTile, (TIFF *, uint32_t x, uint32_t y, uint32_t z, uint16_t plane))                      \
  CALL(tmsize_t, TIFFReadEncodedTile, (TIFF *, uint32_t tile, void *pixels, tmsize_t size))

static struct {
  TIFF_CALLS(LEGRAD_CALL_FIELD)
} tiff;
static const char *const call_names[] = {TIFF_CALLS(LEGRAD_CALL_NAME)};
static const char *const file_names[] = {"libtiff.so.6", NULL};
static int is_open;
static legrad_codec_message reason;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void open_once(void) {
  _Static_assert(sizeof tiff == sizeof call_names, "a name for each call");
  is_open = legrad_open_library(
      file_names, call_names, sizeof call_names / sizeof *call_names, (void **)&tiff, &reason);
}

int legrad_open_tiff(legrad_codec_message *message) {
  pthread_once(&once, open_once);
  *message = reason;
  return is_open;
}

enum {
  tag_width = 256,
  tag_height = 257,
  tag_bits = 258,
  tag_compression = 259,
  tag_photometric = 262,
  tag_samples = 277,
  tag_planes = 284,
  tag_palette = 320,
  tag_tile_width = 322,
  tag_tile_height = 323,
  tag_extra_samples = 338,
  tag_sample_format = 339,
  tag_jpeg_colours = 65538,
};

enum {
  white_is_zero = 0,
  black_is_zero = 1,
  rgb_colours = 2,
  palette_colours = 3,
  cmyk_colours = 5,
  ycbcr_colours = 6,
};

enum { compression_jpeg = 7 };

enum {
  // Pillow knows pictures of up to six samples a pixel.
  most_samples = 16,
  // Tiles have some thousand pixels; one is held at a time.
  largest_tile = 256 << 20,
  // What the library may take at once beside a copy of what the file holds: tables for strips, rows.
  largest_table = 128 << 20,
};

/// What is read, and what was said of it.
typedef struct tiff_source {
  const uint8_t *bytes;
  size_t count;
  size_t offset;
  legrad_codec_message *message;
  int has_failed;
  /// From the first pixels on a warning says that some are missing.
  int minds_warnings;
  /// The library passes over a palette that it cannot read, and calls the picture grey.
  int has_lost_palette;
} tiff_source;

static tmsize_t read_bytes(void *user, void *out, tmsize_t count) {
  tiff_source *source = user;
  size_t rest = source->offset < source->count ? source->count - source->offset : 0;
  size_t taken = count < 0 ? 0 : (size_t)count < rest ? (size_t)count : rest;
  memcpy(out, source->bytes + (rest == 0 ? 0 : source->offset), taken);
  source->offset += taken;
  return (tmsize_t)taken;
}

static tmsize_t write_nothing(void *user, void *bytes, tmsize_t count) {
  (void)user, (void)bytes, (void)count;
  return 0;
}

static uint64_t seek(void *user, uint64_t offset, int whence) {
  tiff_source *source = user;
  uint64_t from = whence == SEEK_CUR ? source->offset : whence == SEEK_END ? source->count : 0;
  if (offset > INT64_MAX - from) {
    return UINT64_MAX;
  }
  source->offset = from + offset;
  return source->offset;
}

static int close_nothing(void *user) {
  (void)user;
  return 0;
}

static uint64_t size_of_source(void *user) { return ((tiff_source *)user)->count; }

static int map_nothing(void *user, void **start, uint64_t *size) {
  (void)user, (void)start, (void)size;
  return 0;
}

static void unmap_nothing(void *user, void *start, uint64_t size) { (void)user, (void)start, (void)size; }

/// Keeps the first of the library's words, and says that nobody else needs to hear them.
static int take_error(TIFF *file, void *user, const char *module, const char *format, va_list arguments) {
  (void)file, (void)module;
  tiff_source *source = user;
  if (!source->has_failed) {
    vsnprintf(source->message->text, sizeof source->message->text, format, arguments);
  }
  source->has_failed = 1;
  return 1;
}

static int take_warning(TIFF *file, void *user, const char *module, const char *format, va_list arguments) {
  tiff_source *source = user;
  if (!source->minds_warnings) {
    char words[256];
    va_list copy;
    va_copy(copy, arguments);
    vsnprintf(words, sizeof words, format, copy);
    va_end(copy);
    source->has_lost_palette |= strstr(words, "ColorMap") != NULL;
  }
  return source->minds_warnings ? take_error(file, user, module, format, arguments) : 1;
}

static legrad_codec_status corrupt(tiff_source *source, const char *words) {
  if (!source->has_failed) {
    snprintf(source->message->text, sizeof source->message->text, "%s", words);
  }
  return LEGRAD_CODEC_CORRUPT;
}

static TIFF *open_file(tiff_source *source, legrad_codec_status *status) {
  if (!legrad_open_tiff(source->message)) {
    *status = LEGRAD_CODEC_NO_LIBRARY;
    return NULL;
  }
  TIFFOpenOptions *options = tiff.TIFFOpenOptionsAlloc();
  if (options == NULL) {
    snprintf(source->message->text, sizeof source->message->text, "libtiff could not be set up");
    *status = LEGRAD_CODEC_OUT_OF_MEMORY;
    return NULL;
  }
  tiff.TIFFOpenOptionsSetMaxSingleMemAlloc(options, (tmsize_t)(source->count + largest_table));
  tiff.TIFFOpenOptionsSetErrorHandlerExtR(options, take_error, source);
  tiff.TIFFOpenOptionsSetWarningHandlerExtR(options, take_warning, source);
  // To be read, in the order of bits that its header has, and not mapped.
  TIFF *file = tiff.TIFFClientOpenExt(
      "picture", "rm", source, read_bytes, write_nothing, seek, close_nothing, size_of_source, map_nothing,
      unmap_nothing, options);
  tiff.TIFFOpenOptionsFree(options);
  *status = file == NULL ? corrupt(source, "no picture in it can be read") : LEGRAD_CODEC_OK;
  return file;
}

/// How a picture's samples are stored.
typedef struct tiff_layout {
  uint32_t width, height;
  uint16_t photometric, compression, bits, samples;
  /// Samples that make a colour.
  uint16_t colours;
  int has_planes;
  /// The sample by which the colours were multiplied; 0 for none.
  uint16_t alpha;
  const uint16_t *palette[3];
} tiff_layout;

static legrad_codec_status unsupported(tiff_source *source, const char *what, unsigned value) {
  snprintf(source->message->text, sizeof source->message->text, "%s %u", what, value);
  return LEGRAD_CODEC_UNSUPPORTED;
}

/// Compressions that are read: none, CCITT's three, LZW, JPEG, deflate (two numbers), PackBits, LZMA, Zstandard, WebP.
/// JPEG as it was before 1995 (6) is not: no two writers agreed.
static int is_read(uint16_t compression) {
  static const uint16_t known[] = {1, 2, 3, 4, 5, compression_jpeg, 8, 32946, 32773, 34925, 50000, 50001};
  for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
    if (known[i] == compression) {
      return 1;
    }
  }
  return 0;
}

static legrad_codec_status read_layout(TIFF *file, tiff_source *source, tiff_layout *layout) {
  *layout = (tiff_layout){0};
  uint16_t planes = 1, format = 1, extra_count = 0;
  const uint16_t *extra = NULL;
  if (!tiff.TIFFGetField(file, tag_width, &layout->width) || !tiff.TIFFGetField(file, tag_height, &layout->height) ||
      layout->width == 0 || layout->height == 0) {
    return corrupt(source, "a size of no pixels");
  }
  if (source->has_lost_palette) {
    return corrupt(source, "the palette cannot be read");
  }
  tiff.TIFFGetFieldDefaulted(file, tag_bits, &layout->bits);
  tiff.TIFFGetFieldDefaulted(file, tag_samples, &layout->samples);
  tiff.TIFFGetFieldDefaulted(file, tag_compression, &layout->compression);
  tiff.TIFFGetFieldDefaulted(file, tag_planes, &planes);
  tiff.TIFFGetFieldDefaulted(file, tag_sample_format, &format);
  tiff.TIFFGetFieldDefaulted(file, tag_extra_samples, &extra_count, &extra);
  // Where there is none it is the first of all kinds, as Pillow has it.
  if (!tiff.TIFFGetField(file, tag_photometric, &layout->photometric)) {
    layout->photometric = white_is_zero;
  }
  layout->has_planes = planes == 2;
  if (!is_read(layout->compression)) {
    return unsupported(source, "compression", layout->compression);
  }
  if (!tiff.TIFFIsCODECConfigured(layout->compression)) {
    return unsupported(source, "this machine's libtiff was built without compression", layout->compression);
  }
  if (format != 1) {
    return unsupported(source, "samples that are no unsigned integers: sample format", format);
  }
  switch (layout->photometric) {
    case white_is_zero:
    case black_is_zero:
    case palette_colours:
      layout->colours = 1;
      break;
    case rgb_colours:
      layout->colours = 3;
      break;
    case cmyk_colours:
      layout->colours = 4;
      break;
    case ycbcr_colours:
      // Elsewhere colours have fewer samples than pixels, which this reads by no one's rules.
      if (layout->compression != compression_jpeg || layout->has_planes) {
        return unsupported(source, "YCbCr in compression", layout->compression);
      }
      layout->colours = 3;
      // From here on rows are RGB.
      tiff.TIFFSetField(file, tag_jpeg_colours, 1);
      break;
    default:
      return unsupported(source, "photometric interpretation", layout->photometric);
  }
  if (layout->samples < layout->colours || layout->samples > most_samples) {
    return unsupported(source, "samples per pixel:", layout->samples);
  }
  int is_palette = layout->photometric == palette_colours;
  int has_few_bits = layout->samples == 1 && (layout->bits == 1 || layout->bits == 2 || layout->bits == 4);
  if (!has_few_bits && layout->bits != 8 && (layout->bits != 16 || is_palette)) {
    return unsupported(source, "bits per sample:", layout->bits);
  }
  if (is_palette && !tiff.TIFFGetField(
                        file, tag_palette, &layout->palette[0], &layout->palette[1], &layout->palette[2])) {
    return corrupt(source, "a palette picture without its palette");
  }
  if (extra_count > 0 && extra[0] == 1 && layout->samples > layout->colours && layout->colours != 4 && !is_palette) {
    layout->alpha = layout->colours;
  }
  return LEGRAD_CODEC_OK;
}

/// The samples as bytes: of 16 bits the high ones, fewer spread out, or as they are in a palette's indices.
static const uint8_t *as_bytes(const tiff_layout *layout, const uint8_t *samples, size_t count, uint8_t *bytes) {
  unsigned bits = layout->bits;
  if (bits == 8) {
    return samples;
  }
  if (bits == 16) {
    for (size_t i = 0; i < count; i++) {
      uint16_t value;
      memcpy(&value, samples + 2 * i, 2);
      bytes[i] = (uint8_t)(value >> 8);
    }
    return bytes;
  }
  unsigned most = (1u << bits) - 1, step = layout->photometric == palette_colours ? 1 : 255 / most;
  for (size_t i = 0; i < count; i++) {
    size_t place = i * bits;
    bytes[i] = (uint8_t)((samples[place / 8] >> (8 - bits - place % 8) & most) * step);
  }
  return bytes;
}

/// a * b / 255, rounded to nearest.
static unsigned scaled(unsigned a, unsigned b) {
  unsigned t = a * b + 128;
  return ((t >> 8) + t) >> 8;
}

/// Puts a pixel's colour `plane`, or all of them where `step` samples lie beside each other.
static void put_colours(
    const tiff_layout *layout, const uint8_t *samples, size_t step, int plane, size_t count, uint8_t *rgb) {
  int is_inverted = layout->photometric == white_is_zero;
  for (size_t i = 0; i < count; i++) {
    const uint8_t *sample = samples + i * step;
    uint8_t *pixel = rgb + 3 * i;
    if (layout->photometric == palette_colours) {
      for (int c = 0; c < 3; c++) {
        pixel[c] = (uint8_t)(layout->palette[c][*sample] >> 8);
      }
    } else if (layout->colours == 1) {
      pixel[0] = pixel[1] = pixel[2] = is_inverted ? (uint8_t)(255 - *sample) : *sample;
    } else if (layout->has_planes) {
      pixel[plane] = *sample;
    } else {
      memcpy(pixel, sample, 3);
    }
  }
}

/// Darkens inks by black, or divides colours by alpha, as Pillow does: grey without alpha is left.
static void put_last(const tiff_layout *layout, const uint8_t *samples, size_t step, size_t count, uint8_t *rgb) {
  for (size_t i = 0; i < count; i++) {
    unsigned sample = samples[i * step];
    uint8_t *pixel = rgb + 3 * i;
    for (int c = 0; c < 3; c++) {
      if (layout->colours == 4) {
        unsigned light = 255 - sample;
        pixel[c] = (uint8_t)(light - scaled(pixel[c], light));
      } else if (sample == 0) {
        pixel[c] = layout->colours == 1 ? pixel[c] : 0;
      } else {
        unsigned divided = 255u * pixel[c] / sample;
        pixel[c] = (uint8_t)(divided > 255 ? 255 : divided);
      }
    }
  }
}

/// Which sample comes last, after the colours are there; 0 for none.
static uint16_t last_sample(const tiff_layout *layout) { return layout->colours == 4 ? 3 : layout->alpha; }

/// Puts `count` pixels that lie beside each other, of all planes or of one.
static void put(
    const tiff_layout *layout, const uint8_t *row, uint8_t *bytes, int plane, size_t count, uint8_t *rgb) {
  size_t step = layout->has_planes ? 1 : layout->samples;
  const uint8_t *samples = as_bytes(layout, row, count * step, bytes);
  uint16_t last = last_sample(layout);
  if (!layout->has_planes) {
    put_colours(layout, samples, step, 0, count, rgb);
    if (last != 0) {
      put_last(layout, samples + last, step, count, rgb);
    }
  } else if (last != 0 && plane == last) {
    put_last(layout, samples, 1, count, rgb);
  } else {
    put_colours(layout, samples, 1, plane, count, rgb);
  }
}

/// Planes that are read: those of colours, and alpha if they were multiplied by it.
static int planes_to_read(const tiff_layout *layout) {
  uint16_t last = last_sample(layout);
  return !layout->has_planes ? 1 : last != 0 ? last + 1 : layout->colours;
}

/// Bytes of a row of `width` pixels as the library gives it.
static uint64_t row_size(const tiff_layout *layout, uint32_t width) {
  return ((uint64_t)width * layout->bits * (layout->has_planes ? 1 : layout->samples) + 7) / 8;
}

static legrad_codec_status read_rows(
    TIFF *file, tiff_source *source, const tiff_layout *layout, uint8_t *row, uint8_t *bytes, uint8_t *pixels) {
  if (tiff.TIFFScanlineSize64(file) != row_size(layout, layout->width)) {
    return corrupt(source, "rows of another length than the header says");
  }
  for (int plane = 0; plane < planes_to_read(layout); plane++) {
    for (uint32_t y = 0; y < layout->height; y++) {
      if (tiff.TIFFReadScanline(file, row, y, (uint16_t)plane) != 1 || source->has_failed) {
        return corrupt(source, "a row cannot be read");
      }
      put(layout, row, bytes, plane, layout->width, pixels + (size_t)y * layout->width * 3);
    }
  }
  return LEGRAD_CODEC_OK;
}

static legrad_codec_status read_tiles(
    TIFF *file, tiff_source *source, const tiff_layout *layout, uint32_t tile_width, uint32_t tile_height,
    uint8_t *tile, uint8_t *bytes, uint8_t *pixels) {
  size_t row = row_size(layout, tile_width), size = row * tile_height;
  for (int plane = 0; plane < planes_to_read(layout); plane++) {
    for (uint64_t top = 0; top < layout->height; top += tile_height) {
      for (uint64_t left = 0; left < layout->width; left += tile_width) {
        uint32_t number = tiff.TIFFComputeTile(file, (uint32_t)left, (uint32_t)top, 0, (uint16_t)plane);
        tmsize_t found = tiff.TIFFReadEncodedTile(file, number, tile, (tmsize_t)size);
        if (found != (tmsize_t)size || source->has_failed) {
          return corrupt(source, "a tile cannot be read");
        }
        uint64_t columns = layout->width - left < tile_width ? layout->width - left : tile_width;
        uint64_t rows = layout->height - top < tile_height ? layout->height - top : tile_height;
        for (uint64_t y = 0; y < rows; y++) {
          put(layout, tile + y * row, bytes, plane, columns, pixels + ((top + y) * layout->width + left) * 3);
        }
      }
    }
  }
  return LEGRAD_CODEC_OK;
}

/// Finds the size of tiles; 0 where there are rows instead.
static legrad_codec_status read_tile_size(
    TIFF *file, tiff_source *source, const tiff_layout *layout, uint32_t *width, uint32_t *height) {
  *width = *height = 0;
  if (!tiff.TIFFIsTiled(file)) {
    return LEGRAD_CODEC_OK;
  }
  if (!tiff.TIFFGetField(file, tag_tile_width, width) || !tiff.TIFFGetField(file, tag_tile_height, height) ||
      *width == 0 || *height == 0) {
    return corrupt(source, "tiles of no pixels");
  }
  uint64_t row = row_size(layout, *width);
  if (row > largest_tile / *height) {
    snprintf(
        source->message->text, sizeof source->message->text, "tiles of %u × %u pixels, more than %d MiB", *width,
        *height, largest_tile >> 20);
    return LEGRAD_CODEC_UNSUPPORTED;
  }
  if (tiff.TIFFTileRowSize64(file) != row || tiff.TIFFTileSize64(file) != row * *height) {
    return corrupt(source, "tiles of another size than the header says");
  }
  return LEGRAD_CODEC_OK;
}

legrad_codec_status legrad_tiff_size(
    const uint8_t *bytes, size_t count, uint32_t *width, uint32_t *height, legrad_codec_message *message) {
  message->text[0] = '\0';
  tiff_source source = {.bytes = bytes, .count = count, .message = message};
  legrad_codec_status status;
  TIFF *file = open_file(&source, &status);
  if (file == NULL) {
    return status;
  }
  tiff_layout layout;
  status = read_layout(file, &source, &layout);
  if (status == LEGRAD_CODEC_OK) {
    *width = layout.width;
    *height = layout.height;
    message->text[0] = '\0';
  }
  tiff.TIFFClose(file);
  return status;
}

legrad_codec_status legrad_tiff_decode(
    const uint8_t *bytes, size_t count, uint32_t width, uint32_t height, uint8_t *pixels,
    legrad_codec_message *message) {
  message->text[0] = '\0';
  tiff_source source = {.bytes = bytes, .count = count, .message = message};
  legrad_codec_status status;
  TIFF *file = open_file(&source, &status);
  if (file == NULL) {
    return status;
  }
  tiff_layout layout;
  uint32_t tile_width = 0, tile_height = 0;
  status = read_layout(file, &source, &layout);
  if (status == LEGRAD_CODEC_OK && (layout.width != width || layout.height != height)) {
    status = corrupt(&source, "the size differs from the one asked for");
  }
  if (status == LEGRAD_CODEC_OK) {
    status = read_tile_size(file, &source, &layout, &tile_width, &tile_height);
  }
  if (status == LEGRAD_CODEC_OK) {
    uint32_t columns = tile_width == 0 ? width : tile_width;
    size_t size = row_size(&layout, columns) * (tile_height == 0 ? 1 : tile_height);
    uint8_t *samples = malloc(size);
    uint8_t *row = malloc((size_t)columns * (layout.has_planes ? 1 : layout.samples));
    source.has_failed = 0;
    source.minds_warnings = 1;
    if (samples == NULL || row == NULL) {
      snprintf(message->text, sizeof message->text, "%zu bytes could not be allocated", size);
      status = LEGRAD_CODEC_OUT_OF_MEMORY;
    } else if (tile_width == 0) {
      status = read_rows(file, &source, &layout, samples, row, pixels);
    } else {
      status = read_tiles(file, &source, &layout, tile_width, tile_height, samples, row, pixels);
    }
    free(samples);
    free(row);
  }
  if (status == LEGRAD_CODEC_OK) {
    message->text[0] = '\0';
  }
  tiff.TIFFClose(file);
  return status;
}
