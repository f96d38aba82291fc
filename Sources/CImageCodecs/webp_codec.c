#include "library.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

// libwebp's own (webp/decode.h, interface 2.9, that of 0.6 and later).

enum { decoder_interface = 0x0209 };

enum {
  status_ok = 0,
  status_out_of_memory = 1,
  status_unsupported = 4,
};

enum { colours_rgb = 0 };

struct webp_features {
  int width, height, has_alpha, has_animation, format;
  uint32_t pad[5];
};

struct webp_buffer {
  int colours, width, height, is_external;
  union {
    struct {
      uint8_t *start;
      int stride;
      size_t size;
    } rgb;
    struct {
      uint8_t *starts[4];
      int strides[4];
      size_t sizes[4];
    } planes;
  };
  uint32_t pad[4];
  uint8_t *own;
};

struct webp_configuration {
  struct webp_features input;
  struct webp_buffer output;
  struct {
    int no_filter, no_fancy_upsampling, crops, crop_left, crop_top, crop_width, crop_height, scales, scaled_width,
        scaled_height, uses_threads, dithering, flips, alpha_dithering;
    uint32_t pad[5];
  } options;
};

#define WEBP_CALLS(CALL)                                                                                             \
  CALL(int, WebPGetFeaturesInternal, (const uint8_t *, size_t, struct webp_features *, int))                         \
  CALL(int, WebPInitDecoderConfigInternal, (struct webp_configuration *, int))                                       \
  CALL(int, WebPDecode, (const uint8_t *, size_t, struct webp_configuration *))                                      \
  CALL(void, WebPFreeDecBuffer, (struct webp_buffer *))

static struct {
  WEBP_CALLS(LEGRAD_CALL_FIELD)
} webp;
static const char *const call_names[] = {WEBP_CALLS(LEGRAD_CALL_NAME)};
static const char *const file_names[] = {"libwebp.so.7", NULL};
static int is_open;
static legrad_codec_message reason;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void open_once(void) {
  _Static_assert(sizeof webp == sizeof call_names, "a name for each call");
  is_open = legrad_open_library(
      file_names, call_names, sizeof call_names / sizeof *call_names, (void **)&webp, &reason);
}

int legrad_open_webp(legrad_codec_message *message) {
  pthread_once(&once, open_once);
  *message = reason;
  return is_open;
}

/// Where the picture lies in the file, and where on the canvas.
typedef struct webp_frame {
  const uint8_t *bytes;
  size_t count;
  uint32_t canvas_width, canvas_height, x, y, width, height;
  int is_animated;
} webp_frame;

static uint32_t little_endian(const uint8_t *bytes, int count) {
  uint32_t value = 0;
  for (int i = count - 1; i >= 0; i--) {
    value = value << 8 | bytes[i];
  }
  return value;
}

static legrad_codec_status corrupt(legrad_codec_message *message, const char *words) {
  snprintf(message->text, sizeof message->text, "%s", words);
  return LEGRAD_CODEC_CORRUPT;
}

static legrad_codec_status failure(int status, legrad_codec_message *message) {
  static const char *const words[] = {
      "", "memory ran out", "a value out of range", "the bitstream is damaged", "a feature that libwebp does not know",
      "the file ends early", "", "the file ends early"};
  int is_known = status > 0 && (size_t)status < sizeof words / sizeof *words;
  snprintf(message->text, sizeof message->text, "%s", is_known ? words[status] : "an unknown error");
  switch (status) {
    case status_out_of_memory: return LEGRAD_CODEC_OUT_OF_MEMORY;
    case status_unsupported: return LEGRAD_CODEC_UNSUPPORTED;
    default: return LEGRAD_CODEC_CORRUPT;
  }
}

/// Finds an animation's first frame (WebP container, "Extended File Format").
static legrad_codec_status find_first_frame(
    const uint8_t *bytes, size_t count, webp_frame *frame, legrad_codec_message *message) {
  uint64_t end = 8 + (uint64_t)little_endian(bytes + 4, 4);
  if (end > count) {
    return corrupt(message, "the file ends early");
  }
  size_t place = 12;
  while (place + 8 <= end) {
    const uint8_t *content = bytes + place + 8;
    uint64_t length = little_endian(bytes + place + 4, 4);
    if (length > end - place - 8) {
      return corrupt(message, "a chunk ends behind the file");
    }
    if (memcmp(bytes + place, "VP8X", 4) == 0 && length >= 10) {
      frame->canvas_width = 1 + little_endian(content + 4, 3);
      frame->canvas_height = 1 + little_endian(content + 7, 3);
    }
    if (memcmp(bytes + place, "ANMF", 4) == 0) {
      if (length < 16) {
        return corrupt(message, "a frame without its header");
      }
      frame->x = 2 * little_endian(content, 3);
      frame->y = 2 * little_endian(content + 3, 3);
      frame->width = 1 + little_endian(content + 6, 3);
      frame->height = 1 + little_endian(content + 9, 3);
      frame->bytes = content + 16;
      frame->count = length - 16;
      if (frame->width > frame->canvas_width || frame->x > frame->canvas_width - frame->width ||
          frame->height > frame->canvas_height || frame->y > frame->canvas_height - frame->height) {
        return corrupt(message, "the first frame reaches beyond the picture");
      }
      return LEGRAD_CODEC_OK;
    }
    place += 8 + length + (length & 1);
  }
  return corrupt(message, "an animation without a frame");
}

static legrad_codec_status find_frame(
    const uint8_t *bytes, size_t count, webp_frame *frame, legrad_codec_message *message) {
  if (!legrad_open_webp(message)) {
    return LEGRAD_CODEC_NO_LIBRARY;
  }
  if (count < 16) {
    return corrupt(message, "the file ends early");
  }
  struct webp_features features = {0};
  int status = webp.WebPGetFeaturesInternal(bytes, count, &features, decoder_interface);
  if (status != status_ok) {
    return failure(status, message);
  }
  if (features.has_animation) {
    frame->is_animated = 1;
    legrad_codec_status found = find_first_frame(bytes, count, frame, message);
    if (found != LEGRAD_CODEC_OK) {
      return found;
    }
    status = webp.WebPGetFeaturesInternal(frame->bytes, frame->count, &features, decoder_interface);
    if (status != status_ok) {
      return failure(status, message);
    }
    if ((uint32_t)features.width != frame->width || (uint32_t)features.height != frame->height) {
      return corrupt(message, "the first frame has another size than its header says");
    }
    return LEGRAD_CODEC_OK;
  }
  if (features.width <= 0 || features.height <= 0) {
    return corrupt(message, "a size of no pixels");
  }
  *frame = (webp_frame){
      .bytes = bytes, .count = count, .canvas_width = features.width, .canvas_height = features.height,
      .width = features.width, .height = features.height};
  return LEGRAD_CODEC_OK;
}

legrad_codec_status legrad_webp_size(
    const uint8_t *bytes, size_t count, uint32_t *width, uint32_t *height, legrad_codec_message *message) {
  message->text[0] = '\0';
  webp_frame frame = {0};
  legrad_codec_status status = find_frame(bytes, count, &frame, message);
  if (status == LEGRAD_CODEC_OK) {
    *width = frame.canvas_width;
    *height = frame.canvas_height;
  }
  return status;
}

legrad_codec_status legrad_webp_decode(
    const uint8_t *bytes, size_t count, uint32_t width, uint32_t height, uint8_t *pixels,
    legrad_codec_message *message) {
  message->text[0] = '\0';
  webp_frame frame = {0};
  legrad_codec_status status = find_frame(bytes, count, &frame, message);
  if (status != LEGRAD_CODEC_OK) {
    return status;
  }
  if (frame.canvas_width != width || frame.canvas_height != height) {
    return corrupt(message, "the size differs from the one asked for");
  }
  size_t stride = (size_t)width * 3, size = stride * height;
  if (stride > INT32_MAX) {
    snprintf(message->text, sizeof message->text, "rows of %zu bytes", stride);
    return LEGRAD_CODEC_UNSUPPORTED;
  }
  if (frame.is_animated) {
    memset(pixels, 0, size);
  }
  struct webp_configuration configuration;
  if (!webp.WebPInitDecoderConfigInternal(&configuration, decoder_interface)) {
    snprintf(message->text, sizeof message->text, "another interface of libwebp");
    return LEGRAD_CODEC_NO_LIBRARY;
  }
  size_t start = frame.y * stride + (size_t)frame.x * 3;
  configuration.output.colours = colours_rgb;
  configuration.output.is_external = 1;
  configuration.output.rgb.start = pixels + start;
  configuration.output.rgb.stride = (int)stride;
  configuration.output.rgb.size = size - start;
  int decoded = webp.WebPDecode(frame.bytes, frame.count, &configuration);
  webp.WebPFreeDecBuffer(&configuration.output);
  return decoded == status_ok ? LEGRAD_CODEC_OK : failure(decoded, message);
}
