#include "CImageCodecs.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>

#include <jpeglib.h>

#include <jerror.h>

enum {
  // A scan takes the time of the whole picture, and some bytes are enough for one. Encoders write ten or so.
  most_scans = 500,
};

/// libjpeg's error manager, and what is made of its errors and warnings.
typedef struct jpeg_errors {
  struct jpeg_error_mgr manager;
  jmp_buf jump;
  legrad_codec_status status;
  legrad_codec_message *message;
} jpeg_errors;

static void keep_message(j_common_ptr common, legrad_codec_message *message) {
  char text[JMSG_LENGTH_MAX];
  common->err->format_message(common, text);
  snprintf(message->text, sizeof message->text, "%s", text);
}

_Noreturn static void fail(j_common_ptr common, legrad_codec_status status) {
  jpeg_errors *errors = (jpeg_errors *)common->err;
  errors->status = status;
  longjmp(errors->jump, 1);
}

static void take_error(j_common_ptr common) {
  jpeg_errors *errors = (jpeg_errors *)common->err;
  keep_message(common, errors->message);
  switch (common->err->msg_code) {
    case JERR_OUT_OF_MEMORY:
      fail(common, LEGRAD_CODEC_OUT_OF_MEMORY);
    case JERR_ARITH_NOTIMPL:
    case JERR_BAD_PRECISION:
    case JERR_CONVERSION_NOTIMPL:
    case JERR_SOF_UNSUPPORTED:
      fail(common, LEGRAD_CODEC_UNSUPPORTED);
    default:
      fail(common, LEGRAD_CODEC_CORRUPT);
  }
}

/// A warning is an error where pixels are missing behind it. After the others every pixel is there.
static void take_warning(j_common_ptr common, int level) {
  jpeg_errors *errors = (jpeg_errors *)common->err;
  if (level >= 0) {
    return;
  }
  switch (common->err->msg_code) {
    case JWRN_EXTRANEOUS_DATA:  // bytes too many before a marker
    case JWRN_JFIF_MAJOR:       // a version number that no standard has
    case JWRN_ADOBE_XFORM:      // a colour transform that Adobe has not defined; taken as the usual one
    case JWRN_NOT_SEQUENTIAL:   // a baseline scan whose unused fields are not as the standard has them
      if (errors->message->text[0] == '\0') {
        keep_message(common, errors->message);
      }
      return;
    default:
      keep_message(common, errors->message);
      fail(common, LEGRAD_CODEC_CORRUPT);
  }
}

static void count_scans(j_common_ptr common) {
  jpeg_errors *errors = (jpeg_errors *)common->err;
  if (((j_decompress_ptr)common)->input_scan_number > most_scans) {
    snprintf(errors->message->text, sizeof errors->message->text, "more than %d scans", most_scans);
    fail(common, LEGRAD_CODEC_CORRUPT);
  }
}

/// What a decoder needs. It is made before the jump is set, so that nothing that is freed after it changes in between.
typedef struct jpeg_decoder {
  struct jpeg_decompress_struct codec;
  struct jpeg_progress_mgr progress;
  jpeg_errors errors;
  JSAMPLE *cmyk_row;
} jpeg_decoder;

static void set_up(jpeg_decoder *decoder, legrad_codec_message *message) {
  message->text[0] = '\0';
  decoder->codec.err = jpeg_std_error(&decoder->errors.manager);
  decoder->errors.manager.error_exit = take_error;
  decoder->errors.manager.emit_message = take_warning;
  decoder->errors.status = LEGRAD_CODEC_OK;
  decoder->errors.message = message;
  decoder->progress.progress_monitor = count_scans;
}

static legrad_codec_status tear_down(jpeg_decoder *decoder) {
  jpeg_destroy_decompress(&decoder->codec);
  free(decoder->cmyk_row);
  return decoder->errors.status;
}

/// Reads up to the first scan.
static void read_header(jpeg_decoder *decoder, const uint8_t *bytes, size_t count) {
  j_decompress_ptr codec = &decoder->codec;
  jpeg_create_decompress(codec);
  codec->progress = &decoder->progress;
  jpeg_mem_src(codec, bytes, (unsigned long)count);
  jpeg_read_header(codec, TRUE);
  if (codec->jpeg_color_space == JCS_UNKNOWN) {
    snprintf(
        decoder->errors.message->text, sizeof decoder->errors.message->text, "%d components", codec->num_components);
    fail((j_common_ptr)codec, LEGRAD_CODEC_UNSUPPORTED);
  }
}

legrad_codec_status legrad_jpeg_size(
    const uint8_t *bytes, size_t count, uint32_t *width, uint32_t *height, legrad_codec_message *message) {
  jpeg_decoder decoder = {0};
  set_up(&decoder, message);
  if (setjmp(decoder.errors.jump)) {
    return tear_down(&decoder);
  }
  read_header(&decoder, bytes, count);
  *width = decoder.codec.image_width;
  *height = decoder.codec.image_height;
  return tear_down(&decoder);
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
  jpeg_decoder decoder = {0};
  set_up(&decoder, message);
  if (setjmp(decoder.errors.jump)) {
    return tear_down(&decoder);
  }
  read_header(&decoder, bytes, count);
  j_decompress_ptr codec = &decoder.codec;
  if (codec->image_width != width || codec->image_height != height) {
    snprintf(message->text, sizeof message->text, "the size differs from the one asked for");
    fail((j_common_ptr)codec, LEGRAD_CODEC_CORRUPT);
  }
  int is_cmyk = codec->jpeg_color_space == JCS_CMYK || codec->jpeg_color_space == JCS_YCCK;
  codec->out_color_space = is_cmyk ? JCS_CMYK : JCS_RGB;
  codec->dct_method = JDCT_ISLOW;
  if (is_cmyk) {
    decoder.cmyk_row = malloc((size_t)width * 4);
    if (decoder.cmyk_row == NULL) {
      snprintf(message->text, sizeof message->text, "%zu bytes could not be allocated", (size_t)width * 4);
      fail((j_common_ptr)codec, LEGRAD_CODEC_OUT_OF_MEMORY);
    }
  }
  jpeg_start_decompress(codec);
  while (codec->output_scanline < height) {
    uint8_t *row = pixels + (size_t)codec->output_scanline * width * 3;
    JSAMPROW target = is_cmyk ? decoder.cmyk_row : row;
    jpeg_read_scanlines(codec, &target, 1);
    if (is_cmyk) {
      rgb_from_inverted_cmyk(decoder.cmyk_row, width, row);
    }
  }
  jpeg_finish_decompress(codec);
  return tear_down(&decoder);
}
