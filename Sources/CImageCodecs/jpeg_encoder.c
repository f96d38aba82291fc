#include "CImageCodecs.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
// jpeglib.h needs stdio.h and stddef.h before it.
#include <jpeglib.h>

typedef struct jpeg_encoder {
  struct jpeg_compress_struct codec;
  struct jpeg_error_mgr errors;
  jmp_buf way_out;
  legrad_codec_message *message;
  unsigned char *bytes;
  unsigned long count;
} jpeg_encoder;

static void give_up(j_common_ptr codec) {
  jpeg_encoder *encoder = codec->client_data;
  char text[JMSG_LENGTH_MAX];
  codec->err->format_message(codec, text);
  snprintf(encoder->message->text, sizeof encoder->message->text, "%s", text);
  longjmp(encoder->way_out, 1);
}

static void say_nothing(j_common_ptr codec) { (void)codec; }

/// Everything that may jump. The encoder is the caller's, so that what it holds can be freed after a jump.
static legrad_codec_status write_jpeg(
    jpeg_encoder *encoder, const uint8_t *pixels, uint32_t width, uint32_t height, int quality) {
  struct jpeg_compress_struct *codec = &encoder->codec;
  codec->err = jpeg_std_error(&encoder->errors);
  encoder->errors.error_exit = give_up;
  encoder->errors.output_message = say_nothing;
  codec->client_data = encoder;
  if (setjmp(encoder->way_out)) {
    jpeg_destroy_compress(codec);
    return LEGRAD_CODEC_OUT_OF_MEMORY;
  }
  jpeg_create_compress(codec);
  jpeg_mem_dest(codec, &encoder->bytes, &encoder->count);
  codec->image_width = width;
  codec->image_height = height;
  codec->input_components = 3;
  codec->in_color_space = JCS_RGB;
  jpeg_set_defaults(codec);
  jpeg_set_quality(codec, quality, TRUE);
  jpeg_start_compress(codec, TRUE);
  while (codec->next_scanline < height) {
    // The library reads what it may write to by its declaration.
    JSAMPROW row = (JSAMPROW)(uintptr_t)(pixels + (size_t)codec->next_scanline * width * 3);
    jpeg_write_scanlines(codec, &row, 1);
  }
  jpeg_finish_compress(codec);
  jpeg_destroy_compress(codec);
  return LEGRAD_CODEC_OK;
}

legrad_codec_status legrad_jpeg_encode(
    const uint8_t *pixels, uint32_t width, uint32_t height, int quality, uint8_t **encoded, size_t *encoded_count,
    legrad_codec_message *message) {
  message->text[0] = '\0';
  *encoded = NULL;
  *encoded_count = 0;
  if (width > JPEG_MAX_DIMENSION || height > JPEG_MAX_DIMENSION) {
    snprintf(message->text, sizeof message->text, "a JPEG's sides have at most %ld pixels", JPEG_MAX_DIMENSION);
    return LEGRAD_CODEC_UNSUPPORTED;
  }
  jpeg_encoder encoder = {.message = message};
  legrad_codec_status status = write_jpeg(&encoder, pixels, width, height, quality);
  if (status != LEGRAD_CODEC_OK) {
    free(encoder.bytes);
    return status;
  }
  *encoded = encoder.bytes;
  *encoded_count = encoder.count;
  return LEGRAD_CODEC_OK;
}
