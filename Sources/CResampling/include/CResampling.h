#ifndef LEGRAD_RESAMPLING_H
#define LEGRAD_RESAMPLING_H

#include <stddef.h>
#include <stdint.h>

// The inner loops of resizing 8-bit RGB with weights in units of 2⁻²². Sums are of 32 bits and exact, so that no order of
// adding changes a bit. Every call is there for each instruction set, with the same answers.

typedef enum legrad_resampling_set {
  LEGRAD_RESAMPLING_PLAIN = 0,
  LEGRAD_RESAMPLING_AVX2 = 1,
} legrad_resampling_set;

/// The fastest set of this processor.
legrad_resampling_set legrad_resampling_best(void);

enum {
  /// Pixels whose weights lie together.
  LEGRAD_RESAMPLING_BLOCK = 8,
};

/// What makes each target pixel of a row: `weights` has whole blocks of weights, each weight three times, for red, green
/// and blue, and zero behind the last.
typedef struct legrad_resampling_axis {
  size_t count;
  /// The first source pixel of each target.
  const int32_t *lows;
  /// The end of each target's blocks; they begin where those of the target before end.
  const int32_t *ends;
  const int32_t *weights;
} legrad_resampling_axis;

/// Makes rows of `axis->count` pixels out of rows that lie `stride` bytes apart; `rows` is followed by `size` bytes in all.
void legrad_resample_along_rows(
    legrad_resampling_set set, const legrad_resampling_axis *axis, const uint8_t *rows, size_t row_count, size_t stride,
    size_t size, uint8_t *out);

/// Makes one row of `width` bytes out of `tap_count` rows that lie `width` bytes apart.
void legrad_resample_along_columns(
    legrad_resampling_set set, const int32_t *weights, size_t tap_count, const uint8_t *rows, size_t width,
    uint8_t *out);

#endif
