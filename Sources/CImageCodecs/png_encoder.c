#include "CImageCodecs.h"

#include <libdeflate.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
  // On photographs under a heatmap a fifth of the time of zlib's level 2 with libpng's choice of filters, and a tenth
  // smaller; the next level takes twice the time for a fiftieth.
  compression_level = 1,
  // What a row is filtered by: the mean of the pixels to the left and above.
  filter_average = 3,
  head_size = 8 + 25,
  chunk_frame = 12,
  end_size = chunk_frame,
  // A chunk's length has 31 bits.
  largest_chunk = 1 << 30,
};

static void put_number(uint8_t *out, uint32_t number) {
  for (int i = 0; i < 4; i++) {
    out[i] = (uint8_t)(number >> (24 - 8 * i));
  }
}

/// Frames the `count` bytes that lie at `chunk + 8`. Returns where the next chunk begins.
static uint8_t *frame_chunk(uint8_t *chunk, const char *type, size_t count) {
  put_number(chunk, (uint32_t)count);
  memcpy(chunk + 4, type, 4);
  put_number(chunk + 8 + count, libdeflate_crc32(0, chunk + 4, count + 4));
  return chunk + chunk_frame + count;
}

/// A row less its prediction; `above` is NULL for the first.
static void filter_row(const uint8_t *row, const uint8_t *above, size_t count, size_t channels, uint8_t *restrict out) {
  for (size_t i = 0; i < channels; i++) {
    out[i] = (uint8_t)(row[i] - (above == NULL ? 0 : above[i] >> 1));
  }
  if (above == NULL) {
    for (size_t i = channels; i < count; i++) {
      out[i] = (uint8_t)(row[i] - (row[i - channels] >> 1));
    }
    return;
  }
  for (size_t i = channels; i < count; i++) {
    out[i] = (uint8_t)(row[i] - ((row[i - channels] + above[i]) >> 1));
  }
}

static legrad_codec_status out_of_memory(size_t count, legrad_codec_message *message) {
  snprintf(message->text, sizeof message->text, "%zu bytes could not be allocated", count);
  return LEGRAD_CODEC_OUT_OF_MEMORY;
}

/// The filtered rows as one zlib stream, which the caller frees.
static legrad_codec_status compress_rows(
    const uint8_t *pixels, size_t stride, size_t height, size_t channels, uint8_t **stream, size_t *stream_count,
    legrad_codec_message *message) {
  size_t count = (stride + 1) * height;
  uint8_t *rows = malloc(count);
  if (rows == NULL) {
    return out_of_memory(count, message);
  }
  for (size_t y = 0; y < height; y++) {
    uint8_t *row = rows + y * (stride + 1);
    row[0] = filter_average;
    filter_row(pixels + y * stride, y == 0 ? NULL : pixels + (y - 1) * stride, stride, channels, row + 1);
  }
  struct libdeflate_compressor *compressor = libdeflate_alloc_compressor(compression_level);
  size_t bound = libdeflate_zlib_compress_bound(compressor, count);
  *stream = compressor == NULL ? NULL : malloc(bound);
  if (*stream != NULL) {
    *stream_count = libdeflate_zlib_compress(compressor, rows, count, *stream, bound);
  }
  libdeflate_free_compressor(compressor);
  free(rows);
  return *stream == NULL ? out_of_memory(bound, message) : LEGRAD_CODEC_OK;
}

legrad_codec_status legrad_png_encode(
    const uint8_t *pixels, uint32_t width, uint32_t height, int channels, uint8_t **encoded, size_t *encoded_count,
    legrad_codec_message *message) {
  message->text[0] = '\0';
  *encoded = NULL;
  *encoded_count = 0;
  if (channels != 1 && channels != 3 && channels != 4) {
    snprintf(message->text, sizeof message->text, "expected 1, 3 or 4 channels, found %d", channels);
    return LEGRAD_CODEC_UNSUPPORTED;
  }
  size_t stride = (size_t)width * (size_t)channels;
  uint8_t *stream = NULL;
  size_t stream_count = 0;
  legrad_codec_status status =
      compress_rows(pixels, stride, height, (size_t)channels, &stream, &stream_count, message);
  if (status != LEGRAD_CODEC_OK) {
    return status;
  }
  size_t chunks = (stream_count + largest_chunk - 1) / largest_chunk;
  size_t count = head_size + stream_count + chunks * chunk_frame + end_size;
  uint8_t *file = malloc(count);
  if (file == NULL) {
    free(stream);
    return out_of_memory(count, message);
  }
  memcpy(file, "\x89PNG\r\n\x1A\n", 8);
  uint8_t *chunk = file + 8;
  put_number(chunk + 8, width);
  put_number(chunk + 12, height);
  // Eight bits, the type, and deflate, the usual filters and no interlacing, whose numbers are zero.
  memcpy(chunk + 16, (uint8_t[]){8, channels == 1 ? 0 : channels == 3 ? 2 : 6, 0, 0, 0}, 5);
  chunk = frame_chunk(chunk, "IHDR", 13);
  for (size_t start = 0; start < stream_count; start += largest_chunk) {
    size_t part = stream_count - start < largest_chunk ? stream_count - start : largest_chunk;
    memcpy(chunk + 8, stream + start, part);
    chunk = frame_chunk(chunk, "IDAT", part);
  }
  frame_chunk(chunk, "IEND", 0);
  free(stream);
  *encoded = file;
  *encoded_count = count;
  return LEGRAD_CODEC_OK;
}

void legrad_codec_free(uint8_t *bytes) { free(bytes); }
