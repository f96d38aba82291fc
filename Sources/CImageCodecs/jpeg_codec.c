#include "CImageCodecs.h"

#include <stdio.h>
#include <stdlib.h>
#include <turbojpeg.h>

/// Keeps the library's words, then closes it.
static legrad_codec_status fail(tjhandle handle, legrad_codec_message *message) {
  snprintf(message->text, sizeof message->text, "%s", tjGetErrorStr2(handle));
  tjDestroy(handle);
  return LEGRAD_CODEC_CORRUPT;
}

static legrad_codec_status no_handle(legrad_codec_message *message) {
  snprintf(message->text, sizeof message->text, "libjpeg-turbo could not be set up");
  return LEGRAD_CODEC_OUT_OF_MEMORY;
}

/// Reads the header. An unusual chroma sampling is no error here: only planar output would need its name.
static int read_header(tjhandle handle, const uint8_t *bytes, size_t count, int *width, int *height, int *colour) {
  int sampling = -1;
  *width = *height = 0;
  *colour = -1;
  if (tjDecompressHeader3(handle, bytes, (unsigned long)count, width, height, &sampling, colour) == 0) {
    return 1;
  }
  return sampling < 0 && *colour >= 0 && *width > 0 && *height > 0;
}

legrad_codec_status legrad_jpeg_size(
    const uint8_t *bytes, size_t count, uint32_t *width, uint32_t *height, legrad_codec_message *message) {
  message->text[0] = '\0';
  tjhandle handle = tjInitDecompress();
  if (handle == NULL) {
    return no_handle(message);
  }
  int w, h, colour;
  if (!read_header(handle, bytes, count, &w, &h, &colour)) {
    return fail(handle, message);
  }
  *width = (uint32_t)w;
  *height = (uint32_t)h;
  tjDestroy(handle);
  return LEGRAD_CODEC_OK;
}

/// a * b / 255, rounded to nearest.
static unsigned scaled(unsigned a, unsigned b) {
  unsigned t = a * b + 128;
  return ((t >> 8) + t) >> 8;
}

/// Ink is stored inverted (Adobe's convention, which every CMYK JPEG is taken to follow): 255 means none.
static void rgb_from_inverted_cmyk(const uint8_t *cmyk, size_t pixel_count, uint8_t *rgb) {
  for (size_t i = 0; i < pixel_count; i++) {
    unsigned light = cmyk[4 * i + 3];
    for (size_t c = 0; c < 3; c++) {
      rgb[3 * i + c] = (uint8_t)(light - scaled(255u - cmyk[4 * i + c], light));
    }
  }
}

legrad_codec_status legrad_jpeg_decode(
    const uint8_t *bytes, size_t count, uint32_t width, uint32_t height, uint8_t *pixels,
    legrad_codec_message *message) {
  message->text[0] = '\0';
  tjhandle handle = tjInitDecompress();
  if (handle == NULL) {
    return no_handle(message);
  }
  int w, h, colour;
  if (!read_header(handle, bytes, count, &w, &h, &colour)) {
    return fail(handle, message);
  }
  if ((uint32_t)w != width || (uint32_t)h != height) {
    snprintf(message->text, sizeof message->text, "the size differs from the one asked for");
    tjDestroy(handle);
    return LEGRAD_CODEC_CORRUPT;
  }
  const int flags = TJFLAG_ACCURATEDCT | TJFLAG_STOPONWARNING | TJFLAG_LIMITSCANS;
  size_t pixel_count = (size_t)width * height;
  int is_cmyk = colour == TJCS_CMYK || colour == TJCS_YCCK;
  uint8_t *cmyk = NULL;
  if (is_cmyk) {
    cmyk = malloc(pixel_count * 4);
    if (cmyk == NULL) {
      snprintf(message->text, sizeof message->text, "%zu bytes could not be allocated", pixel_count * 4);
      tjDestroy(handle);
      return LEGRAD_CODEC_OUT_OF_MEMORY;
    }
  }
  int result = tjDecompress2(
      handle, bytes, (unsigned long)count, is_cmyk ? cmyk : pixels, w, 0, h, is_cmyk ? TJPF_CMYK : TJPF_RGB, flags);
  if (result != 0) {
    free(cmyk);
    return fail(handle, message);
  }
  if (is_cmyk) {
    rgb_from_inverted_cmyk(cmyk, pixel_count, pixels);
    free(cmyk);
  }
  tjDestroy(handle);
  return LEGRAD_CODEC_OK;
}
