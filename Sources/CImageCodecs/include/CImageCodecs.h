#ifndef LEGRAD_IMAGE_CODECS_H
#define LEGRAD_IMAGE_CODECS_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/// What a call came to. libpng and libjpeg report errors by jumping; the jump never leaves this target.
typedef enum legrad_codec_status {
  LEGRAD_CODEC_OK = 0,
  /// The bytes break the format's rules, or end early.
  LEGRAD_CODEC_CORRUPT = 1,
  /// The bytes are well formed, but of a kind that is not read here.
  LEGRAD_CODEC_UNSUPPORTED = 2,
  LEGRAD_CODEC_OUT_OF_MEMORY = 3,
  /// The format's library is not on this machine.
  LEGRAD_CODEC_NO_LIBRARY = 4,
  /// The format's library is here, without what decodes the picture's own format.
  LEGRAD_CODEC_NO_DECODER = 5,
  /// The system starts no thread, which the decoder needs.
  LEGRAD_CODEC_NO_THREAD = 6,
} legrad_codec_status;

/// The library's own words about what went wrong; always terminated.
typedef struct legrad_codec_message {
  char text[256];
} legrad_codec_message;

/// Reads the size of a PNG from its header and refuses one that cannot hold that many pixels.
legrad_codec_status legrad_png_size(
    const uint8_t *bytes, size_t count, uint32_t *width, uint32_t *height, legrad_codec_message *message);

/// Decodes a PNG to `height * width * 3` bytes of RGB. Alpha is dropped, 16 bits become the high byte, gamma and colour
/// profiles are ignored. `width` and `height` are those that `legrad_png_size` gave.
legrad_codec_status legrad_png_decode(
    const uint8_t *bytes, size_t count, uint32_t width, uint32_t height, uint8_t *pixels,
    legrad_codec_message *message);

/// Decodes a PNG to `height * width * 4` bytes of RGBA; alpha is 255 where the file has none. `width` and `height` are
/// those that `legrad_png_size` gave.
legrad_codec_status legrad_png_decode_rgba(
    const uint8_t *bytes, size_t count, uint32_t width, uint32_t height, uint8_t *pixels,
    legrad_codec_message *message);

/// Encodes 8-bit pixels with 1 (grey), 3 (RGB) or 4 (RGBA) channels as a PNG. `*encoded` is to be given back to
/// `legrad_codec_free`.
legrad_codec_status legrad_png_encode(
    const uint8_t *pixels, uint32_t width, uint32_t height, int channels, uint8_t **encoded, size_t *encoded_count,
    legrad_codec_message *message);

/// Encodes 8-bit RGB as a baseline JPEG of `quality` 1 to 100, colours at half the resolution. Both sides are at most
/// 65,500. `*encoded` is to be given back to `legrad_codec_free`.
legrad_codec_status legrad_jpeg_encode(
    const uint8_t *pixels, uint32_t width, uint32_t height, int quality, uint8_t **encoded, size_t *encoded_count,
    legrad_codec_message *message);

void legrad_codec_free(uint8_t *bytes);

/// Reads the size of a JPEG from its header.
legrad_codec_status legrad_jpeg_size(
    const uint8_t *bytes, size_t count, uint32_t *width, uint32_t *height, legrad_codec_message *message);

/// Decodes a JPEG (grey, RGB, YCbCr, CMYK, YCCK) to `height * width * 3` bytes of RGB. Missing or damaged data is an
/// error, and so is an excessive number of progressive scans. What is against the standard but costs no pixel is named in
/// `message` beside `LEGRAD_CODEC_OK`.
legrad_codec_status legrad_jpeg_decode(
    const uint8_t *bytes, size_t count, uint32_t width, uint32_t height, uint8_t *pixels,
    legrad_codec_message *message);

// The formats below are read by libraries that are found at run time, when the first picture of the kind comes. What they
// give is what Pillow's `convert("RGB")` gives: alpha is dropped.

/// Opens all of these libraries that are there, for a process that will not be able to.
void legrad_codec_open_libraries(void);

/// Reads the size of a WebP.
legrad_codec_status legrad_webp_size(
    const uint8_t *bytes, size_t count, uint32_t *width, uint32_t *height, legrad_codec_message *message);

/// Decodes a WebP, of an animation the first frame on a black canvas, to `height * width * 3` bytes of RGB.
legrad_codec_status legrad_webp_decode(
    const uint8_t *bytes, size_t count, uint32_t width, uint32_t height, uint8_t *pixels,
    legrad_codec_message *message);

/// Reads the size of a TIFF's first picture and refuses one of a kind that is not decoded.
legrad_codec_status legrad_tiff_size(
    const uint8_t *bytes, size_t count, uint32_t *width, uint32_t *height, legrad_codec_message *message);

/// Decodes a TIFF's first picture (grey, palette, RGB, CMYK, YCbCr in JPEG; 1 to 8 bits, or 16, of which the high byte
/// is taken) as it is stored, to `height * width * 3` bytes of RGB. Colours that were multiplied by alpha are divided.
legrad_codec_status legrad_tiff_decode(
    const uint8_t *bytes, size_t count, uint32_t width, uint32_t height, uint8_t *pixels,
    legrad_codec_message *message);

/// Reads the size of a GIF: that of its canvas, which holds its first frame.
legrad_codec_status legrad_gif_size(
    const uint8_t *bytes, size_t count, uint32_t *width, uint32_t *height, legrad_codec_message *message);

/// Decodes a GIF's first frame to `height * width * 3` bytes of RGB. Around it the canvas has the colour of the
/// transparent index, or of index 0.
legrad_codec_status legrad_gif_decode(
    const uint8_t *bytes, size_t count, uint32_t width, uint32_t height, uint8_t *pixels,
    legrad_codec_message *message);

/// Reads the size of an AVIF's or HEIC's primary picture, cut and turned as the file says. `is_av1` is what the file's kind
/// is decoded by: AV1 or else HEVC.
legrad_codec_status legrad_heif_size(
    const uint8_t *bytes, size_t count, int is_av1, uint32_t *width, uint32_t *height, legrad_codec_message *message);

/// Decodes an AVIF's or HEIC's primary picture, cut and turned as the file says, to `height * width * 3` bytes of RGB. Of
/// 10 and 12 bits the high 8 are taken. Colours that were multiplied by alpha are divided.
legrad_codec_status legrad_heif_decode(
    const uint8_t *bytes, size_t count, int is_av1, uint32_t width, uint32_t height, uint8_t *pixels,
    legrad_codec_message *message);

/// Where along a row each pixel's value comes from: two neighbours of a map's row, and the share of the second.
typedef struct legrad_axis {
  const int32_t *low, *high;
  const float *weight;
} legrad_axis;

/// `count` values of a map's row, interpolated.
void legrad_enlarge_row(const float *row, legrad_axis axis, size_t count, float *out);

/// Lays the colours of a map's row over `count` pixels of RGB: `pixel * kept + tints[entry]`, rounded, halves up. `tints`
/// are 256 colours, of which a value takes the one at `value * 255`, rounded; values outside 0...1 take the nearest end, NaN
/// the first.
void legrad_blend_row(
    const uint8_t *pixels, const float *row, legrad_axis axis, size_t count, float kept, const float *tints,
    uint8_t *out);

/// The colours of `count` values: three bytes of `table` each.
void legrad_colour_row(const float *values, size_t count, const uint8_t *table, uint8_t *out);

#ifdef __cplusplus
}
#endif

#endif
