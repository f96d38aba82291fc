// AVIF and HEIC by libheif. In C++, since the library is, and may throw where memory runs out.

#include "library.h"

#include <cstdio>
#include <cstring>
#include <new>
#include <pthread.h>

extern "C" {

// libheif's own (libheif/heif.h of 1.15 and later). What newer versions added to a structure lies behind the rest, and
// the library says in `version` how much of it there is.

struct heif_error {
  int code, subcode;
  const char *message;
};

struct heif_decoding_options {
  uint8_t version;
  uint8_t ignores_transformations;
  void (*start_progress)(int, int, void *);
  void (*on_progress)(int, int, void *);
  void (*end_progress)(int, void *);
  void *user;
  uint8_t converts_to_8_bits; // version 2
  uint8_t is_strict;          // 3
  const char *decoder;        // 4
  struct {
    uint8_t version;
    int downsampling, upsampling;
    uint8_t uses_these_alone;
  } colours;                     // 5
  int (*cancel)(void *);         // 6
  void *more_colours;            // 7
  int ignores_edit_list;         // 8, of 1.21
  void *profile;
  int library_threads;
  int codec_threads;
  uint8_t corrects_input;        // 9
  uint8_t keeps_profile;         // 10
};

struct heif_security_limits {
  uint8_t version;
  uint64_t pixels; // version 1, of 1.19
};

struct heif_context;
struct heif_image_handle;
struct heif_image;

#define HEIF_CALLS(CALL)                                                                                             \
  CALL(uint32_t, heif_get_version_number, (void))                                                                    \
  CALL(const char *, heif_get_version, (void))                                                                       \
  CALL(heif_error, heif_init, (void *))                                                                              \
  CALL(int, heif_have_decoder_for_format, (int))                                                                     \
  CALL(heif_context *, heif_context_alloc, (void))                                                                   \
  CALL(void, heif_context_free, (heif_context *))                                                                    \
  CALL(void, heif_context_set_max_decoding_threads, (heif_context *, int))                                           \
  CALL(void, heif_context_set_maximum_image_size_limit, (heif_context *, int))                                       \
  CALL(heif_error, heif_context_read_from_memory_without_copy, (heif_context *, const void *, size_t, const void *)) \
  CALL(heif_error, heif_context_get_primary_image_handle, (heif_context *, heif_image_handle **))                    \
  CALL(void, heif_image_handle_release, (const heif_image_handle *))                                                 \
  CALL(int, heif_image_handle_get_width, (const heif_image_handle *))                                                \
  CALL(int, heif_image_handle_get_height, (const heif_image_handle *))                                               \
  CALL(int, heif_image_handle_get_ispe_width, (const heif_image_handle *))                                           \
  CALL(int, heif_image_handle_get_ispe_height, (const heif_image_handle *))                                          \
  CALL(int, heif_image_handle_is_premultiplied_alpha, (const heif_image_handle *))                                   \
  CALL(heif_decoding_options *, heif_decoding_options_alloc, (void))                                                 \
  CALL(void, heif_decoding_options_free, (heif_decoding_options *))                                                  \
  CALL(heif_error, heif_decode_image,                                                                                \
       (const heif_image_handle *, heif_image **, int colours, int layout, const heif_decoding_options *))           \
  CALL(void, heif_image_release, (const heif_image *))                                                               \
  CALL(int, heif_image_get_width, (const heif_image *, int channel))                                                 \
  CALL(int, heif_image_get_height, (const heif_image *, int channel))                                                \
  CALL(const uint8_t *, heif_image_get_plane_readonly, (const heif_image *, int channel, int *stride))               \
  CALL(int, heif_image_get_decoding_warnings, (heif_image *, int first, heif_error *, int count))

} // extern "C"

namespace {

enum { codec_hevc = 1, codec_av1 = 4 };
enum { colours_rgb = 1, layout_rgb = 10, layout_rgba = 11, channel_interleaved = 10 };
enum { error_unsupported = 4, error_memory = 6, error_plugin = 11 };
enum { no_codec = 3000, over_limit = 1000, no_meta_box = 104, no_primary = 124 };
enum { first_version = 15 << 16 | 1 << 24 };

struct {
  HEIF_CALLS(LEGRAD_CALL_FIELD)
} heif;
// Of 1.19 and later.
heif_security_limits *(*limits_of)(const heif_context *);

const char *const call_names[] = {HEIF_CALLS(LEGRAD_CALL_NAME)};
const char *const file_names[] = {"libheif.so.1", nullptr};
int is_open;
legrad_codec_message reason;
pthread_once_t once = PTHREAD_ONCE_INIT;

struct first_exception {};

void say(legrad_codec_message *message, const char *words) {
  snprintf(message->text, sizeof message->text, "%s", words);
}

void open_once() {
  static_assert(sizeof heif == sizeof call_names, "a name for each call");
  is_open = legrad_open_library(
      file_names, call_names, sizeof call_names / sizeof *call_names, reinterpret_cast<void **>(&heif), &reason);
  if (!is_open) return;
  // A release has an unwinder of its own, which libheif's exceptions pass on their way. It sets itself up with the first
  // that is thrown here, and would end the process before that.
  try {
    throw first_exception();
  } catch (const first_exception &) {
  }
  if (heif.heif_get_version_number() < first_version) {
    snprintf(reason.text, sizeof reason.text, "libheif %s", heif.heif_get_version());
    is_open = 0;
    return;
  }
  // Reads the folder of plugins, among which decoders may be. They stay for the life of the program.
  heif_error error = heif.heif_init(nullptr);
  if (error.code != 0) {
    snprintf(reason.text, sizeof reason.text, "libheif %s: %s", heif.heif_get_version(), error.message);
    is_open = 0;
    return;
  }
  void *call = legrad_find_call(file_names, "heif_context_get_security_limits");
  memcpy(&limits_of, &call, sizeof call);
}

/// What is open of a file, and is closed in the end.
struct heif_picture {
  heif_context *context = nullptr;
  heif_image_handle *handle = nullptr;
  heif_decoding_options *options = nullptr;
  heif_image *image = nullptr;

  ~heif_picture() {
    if (image != nullptr) heif.heif_image_release(image);
    if (options != nullptr) heif.heif_decoding_options_free(options);
    if (handle != nullptr) heif.heif_image_handle_release(handle);
    if (context != nullptr) heif.heif_context_free(context);
  }
};

legrad_codec_status failure(const heif_error &error, int codec, legrad_codec_message *message) {
  say(message, error.message == nullptr ? "an unknown error" : error.message);
  bool lacks_decoder = error.code == error_plugin || error.subcode == no_codec;
  if (lacks_decoder && !heif.heif_have_decoder_for_format(codec)) {
    snprintf(message->text, sizeof message->text, "libheif %s without one", heif.heif_get_version());
    return LEGRAD_CODEC_NO_DECODER;
  }
  if (error.code == error_unsupported || lacks_decoder) {
    return LEGRAD_CODEC_UNSUPPORTED;
  }
  // A limit that is exceeded is called a lack of memory.
  return error.code == error_memory && error.subcode != over_limit ? LEGRAD_CODEC_OUT_OF_MEMORY : LEGRAD_CODEC_CORRUPT;
}

legrad_codec_status corrupt(legrad_codec_message *message, const char *words) {
  say(message, words);
  return LEGRAD_CODEC_CORRUPT;
}

/// Whether a box of the file is for a sequence, and none for still pictures.
bool is_sequence_alone(const uint8_t *bytes, size_t count) {
  bool has_sequence = false;
  for (size_t place = 0; count - place >= 8;) {
    if (memcmp(bytes + place + 4, "meta", 4) == 0) {
      return false;
    }
    has_sequence = has_sequence || memcmp(bytes + place + 4, "moov", 4) == 0;
    size_t size = 0;
    for (int i = 0; i < 4; i++) {
      size = size << 8 | bytes[place + i];
    }
    if (size < 8 || size > count - place) {
      break;
    }
    place += size;
  }
  return has_sequence;
}

/// Opens the file's primary picture and says its size as it is shown.
legrad_codec_status open_picture(
    heif_picture *picture, const uint8_t *bytes, size_t count, int codec, uint32_t *width, uint32_t *height,
    legrad_codec_message *message) {
  if (!legrad_open_heif(message)) {
    return LEGRAD_CODEC_NO_LIBRARY;
  }
  picture->context = heif.heif_context_alloc();
  if (picture->context == nullptr) {
    say(message, "libheif could not be set up");
    return LEGRAD_CODEC_OUT_OF_MEMORY;
  }
  // Tiles one after another, in this thread.
  heif.heif_context_set_max_decoding_threads(picture->context, 0);
  heif_error error = heif.heif_context_read_from_memory_without_copy(picture->context, bytes, count, nullptr);
  if (error.code == 0) {
    error = heif.heif_context_get_primary_image_handle(picture->context, &picture->handle);
  }
  if (error.code != 0) {
    if ((error.subcode == no_meta_box || error.subcode == no_primary) && is_sequence_alone(bytes, count)) {
      say(message, "a sequence without a still picture");
      return LEGRAD_CODEC_UNSUPPORTED;
    }
    return failure(error, codec, message);
  }
  int found_width = heif.heif_image_handle_get_width(picture->handle);
  int found_height = heif.heif_image_handle_get_height(picture->handle);
  if (found_width <= 0 || found_height <= 0 || heif.heif_image_handle_get_ispe_width(picture->handle) <= 0 ||
      heif.heif_image_handle_get_ispe_height(picture->handle) <= 0) {
    return corrupt(message, "a size of no pixels");
  }
  *width = static_cast<uint32_t>(found_width);
  *height = static_cast<uint32_t>(found_height);
  return LEGRAD_CODEC_OK;
}

void *nothing(void *unused) { return unused; }

/// Whether the system starts a thread. Without one dav1d fails as at a damaged picture, and libde265 waits for ever.
bool starts_threads(legrad_codec_message *message) {
  pthread_t thread;
  int refusal = pthread_create(&thread, nullptr, nothing, nullptr);
  if (refusal != 0) {
    say(message, strerror(refusal));
    return false;
  }
  pthread_join(thread, nullptr);
  return true;
}

/// Bounds what is decoded by what the file's header says of it.
void set_limits(const heif_picture &picture) {
  int width = heif.heif_image_handle_get_ispe_width(picture.handle);
  int height = heif.heif_image_handle_get_ispe_height(picture.handle);
  heif_security_limits *limits = limits_of == nullptr ? nullptr : limits_of(picture.context);
  if (limits != nullptr && limits->version >= 1) {
    // Coded pictures are whole blocks, and tiles reach beyond the picture that they make.
    uint64_t coded = (static_cast<uint64_t>(width) + 512) * (static_cast<uint64_t>(height) + 512);
    if (limits->pixels == 0 || coded < limits->pixels) limits->pixels = coded;
  } else {
    heif.heif_context_set_maximum_image_size_limit(picture.context, (width > height ? width : height) + 512);
  }
}

legrad_codec_status decode(
    heif_picture *picture, int codec, uint32_t width, uint32_t height, uint8_t *pixels,
    legrad_codec_message *message) {
  if (!starts_threads(message)) {
    return LEGRAD_CODEC_NO_THREAD;
  }
  picture->options = heif.heif_decoding_options_alloc();
  if (picture->options == nullptr) {
    say(message, "libheif could not be set up");
    return LEGRAD_CODEC_OUT_OF_MEMORY;
  }
  picture->options->converts_to_8_bits = 1;
  picture->options->is_strict = 1;
  if (picture->options->version >= 8) picture->options->codec_threads = 1;
  if (picture->options->version >= 10) picture->options->keeps_profile = 1;
  set_limits(*picture);
  int is_multiplied = heif.heif_image_handle_is_premultiplied_alpha(picture->handle);
  size_t channels = is_multiplied ? 4 : 3;
  heif_error error = heif.heif_decode_image(
      picture->handle, &picture->image, colours_rgb, is_multiplied ? layout_rgba : layout_rgb, picture->options);
  if (error.code != 0 || picture->image == nullptr) {
    return failure(error, codec, message);
  }
  heif_error warning = {0, 0, nullptr};
  if (heif.heif_image_get_decoding_warnings(picture->image, 0, &warning, 0) > 0) {
    return corrupt(message, "the decoder warns of damage");
  }
  int stride = 0;
  const uint8_t *row = heif.heif_image_get_plane_readonly(picture->image, channel_interleaved, &stride);
  if (row == nullptr || heif.heif_image_get_width(picture->image, channel_interleaved) != static_cast<int64_t>(width) ||
      heif.heif_image_get_height(picture->image, channel_interleaved) != static_cast<int64_t>(height) ||
      stride < 0 || static_cast<size_t>(stride) < channels * width) {
    return corrupt(message, "the picture has another size than its header says");
  }
  for (uint32_t y = 0; y < height; y++, row += stride) {
    uint8_t *out = pixels + static_cast<size_t>(y) * width * 3;
    if (!is_multiplied) {
      memcpy(out, row, static_cast<size_t>(width) * 3);
      continue;
    }
    for (size_t x = 0; x < width; x++) {
      unsigned alpha = row[4 * x + 3];
      for (size_t c = 0; c < 3; c++) {
        unsigned divided = alpha == 0 ? 0 : (255u * row[4 * x + c] + alpha / 2) / alpha;
        out[3 * x + c] = static_cast<uint8_t>(divided > 255 ? 255 : divided);
      }
    }
  }
  return LEGRAD_CODEC_OK;
}

/// What `work` comes to, whatever it throws.
template <typename Work> legrad_codec_status guarded(legrad_codec_message *message, Work work) {
  message->text[0] = '\0';
  try {
    return work();
  } catch (const std::bad_alloc &) {
    say(message, "libheif asked for more than there is");
    return LEGRAD_CODEC_OUT_OF_MEMORY;
  } catch (...) {
    return corrupt(message, "libheif gave up");
  }
}

} // namespace

int legrad_open_heif(legrad_codec_message *message) {
  pthread_once(&once, open_once);
  *message = reason;
  return is_open;
}

legrad_codec_status legrad_heif_size(
    const uint8_t *bytes, size_t count, int is_av1, uint32_t *width, uint32_t *height,
    legrad_codec_message *message) {
  return guarded(message, [&] {
    heif_picture picture;
    return open_picture(&picture, bytes, count, is_av1 ? codec_av1 : codec_hevc, width, height, message);
  });
}

legrad_codec_status legrad_heif_decode(
    const uint8_t *bytes, size_t count, int is_av1, uint32_t width, uint32_t height, uint8_t *pixels,
    legrad_codec_message *message) {
  return guarded(message, [&] {
    heif_picture picture;
    int codec = is_av1 ? codec_av1 : codec_hevc;
    uint32_t found_width = 0, found_height = 0;
    legrad_codec_status status =
        open_picture(&picture, bytes, count, codec, &found_width, &found_height, message);
    if (status != LEGRAD_CODEC_OK) {
      return status;
    }
    if (found_width != width || found_height != height) {
      return corrupt(message, "the size differs from the one asked for");
    }
    return decode(&picture, codec, width, height, pixels, message);
  });
}
