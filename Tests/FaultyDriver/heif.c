// A libheif without decoders, of version VERSION: a file is read, has a picture of 2 × 1 pixels, and cannot be decoded.
// The tests of the command compile it.
#include <stddef.h>
#include <stdint.h>

#define EXPORTED __attribute__((visibility("default")))

struct heif_error {
  int code, subcode;
  const char *message;
};

static const struct heif_error ok = {0, 0, "Success"};
static int context, handle;
// As many zeros as a newer version may want.
static char options[512];

EXPORTED uint32_t heif_get_version_number(void) { return VERSION; }
EXPORTED const char *heif_get_version(void) { return "1.x"; }
EXPORTED struct heif_error heif_init(void *parameters) { return (void)parameters, ok; }
EXPORTED int heif_have_decoder_for_format(int format) { return (void)format, 0; }
EXPORTED void *heif_context_alloc(void) { return &context; }
EXPORTED void heif_context_free(void *unused) { (void)unused; }
EXPORTED void heif_context_set_max_decoding_threads(void *unused, int count) { (void)unused, (void)count; }
EXPORTED void heif_context_set_maximum_image_size_limit(void *unused, int width) { (void)unused, (void)width; }
EXPORTED struct heif_error heif_context_read_from_memory_without_copy(
    void *unused, const void *bytes, size_t count, const void *more) {
  return (void)unused, (void)bytes, (void)count, (void)more, ok;
}
EXPORTED struct heif_error heif_context_get_primary_image_handle(void *unused, void **out) {
  (void)unused;
  *out = &handle;
  return ok;
}
EXPORTED void heif_image_handle_release(const void *unused) { (void)unused; }
EXPORTED int heif_image_handle_get_width(const void *unused) { return (void)unused, 2; }
EXPORTED int heif_image_handle_get_height(const void *unused) { return (void)unused, 1; }
EXPORTED int heif_image_handle_get_ispe_width(const void *unused) { return (void)unused, 2; }
EXPORTED int heif_image_handle_get_ispe_height(const void *unused) { return (void)unused, 1; }
EXPORTED int heif_image_handle_is_premultiplied_alpha(const void *unused) { return (void)unused, 0; }
EXPORTED void *heif_decoding_options_alloc(void) { return options; }
EXPORTED void heif_decoding_options_free(void *unused) { (void)unused; }
EXPORTED struct heif_error heif_decode_image(
    const void *unused, void **image, int colours, int layout, const void *wanted) {
  (void)unused, (void)colours, (void)layout, (void)wanted;
  *image = NULL;
  return (struct heif_error){4, 3000, "Unsupported feature: Unsupported codec"};
}
EXPORTED void heif_image_release(const void *unused) { (void)unused; }
EXPORTED int heif_image_get_width(const void *unused, int channel) { return (void)unused, (void)channel, 0; }
EXPORTED int heif_image_get_height(const void *unused, int channel) { return (void)unused, (void)channel, 0; }
EXPORTED const uint8_t *heif_image_get_plane_readonly(const void *unused, int channel, int *stride) {
  (void)unused, (void)channel;
  *stride = 0;
  return NULL;
}
EXPORTED int heif_image_get_decoding_warnings(void *unused, int first, struct heif_error *out, int count) {
  return (void)unused, (void)first, (void)out, (void)count, 0;
}
