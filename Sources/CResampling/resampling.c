#include "CResampling.h"

#include <string.h>

typedef uint8_t byte_lanes __attribute__((vector_size(8)));
typedef uint32_t lanes __attribute__((vector_size(32)));

enum { fraction_bits = 22 };

static const uint32_t half = 1u << (fraction_bits - 1);

static inline uint8_t clamped(uint32_t sum) {
  int32_t value = (int32_t)sum >> fraction_bits;
  return value < 0 ? 0 : value > 255 ? 255 : (uint8_t)value;
}

/// A pixel whose last block reaches beyond the `rest` bytes that there are, where all weights are zero.
static void last_pixel(
    const int32_t *weights, size_t block_count, const uint8_t *source, size_t rest, uint8_t *out) {
  uint32_t sums[3] = {half, half, half};
  for (size_t i = 0; i < block_count * 24 && i < rest; i++) {
    sums[i % 3] += (uint32_t)weights[i] * source[i];
  }
  for (int c = 0; c < 3; c++) {
    out[c] = clamped(sums[c]);
  }
}

#define ATTRIBUTES
#define NAME(function) function##_plain
#include "loops.h"
#undef NAME
#undef ATTRIBUTES

#if defined(__x86_64__)
#define ATTRIBUTES __attribute__((target("avx2")))
#define NAME(function) function##_avx2
#include "loops.h"
#undef NAME
#undef ATTRIBUTES
#endif

legrad_resampling_set legrad_resampling_best(void) {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx2")) {
    return LEGRAD_RESAMPLING_AVX2;
  }
#endif
  return LEGRAD_RESAMPLING_PLAIN;
}

void legrad_resample_along_rows(
    legrad_resampling_set set, const legrad_resampling_axis *axis, const uint8_t *rows, size_t row_count, size_t stride,
    size_t size, uint8_t *out) {
#if defined(__x86_64__)
  if (set == LEGRAD_RESAMPLING_AVX2) {
    along_rows_avx2(axis, rows, row_count, stride, size, out);
    return;
  }
#endif
  (void)set;
  along_rows_plain(axis, rows, row_count, stride, size, out);
}

void legrad_resample_along_columns(
    legrad_resampling_set set, const int32_t *weights, size_t tap_count, const uint8_t *rows, size_t width,
    uint8_t *out) {
#if defined(__x86_64__)
  if (set == LEGRAD_RESAMPLING_AVX2) {
    along_columns_avx2(weights, tap_count, rows, width, out);
    return;
  }
#endif
  (void)set;
  along_columns_plain(weights, tap_count, rows, width, out);
}
