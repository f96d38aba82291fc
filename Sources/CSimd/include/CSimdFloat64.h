// A part of CSimd.h: what its float64 operations take, for relevance propagation.
#ifndef LEGRAD_CSIMD_FLOAT64_H
#define LEGRAD_CSIMD_FLOAT64_H

#include <stdbool.h>
#include <stddef.h>

// What a float64 product reads of an operand's values.
enum legrad_part {
  LEGRAD_ALL,
  LEGRAD_POSITIVE,
  LEGRAD_NEGATIVE,
};

// Element (r, c) lies at values[r * row_step + c * column_step].
struct legrad_operand {
  const double *values;
  ptrdiff_t row_step;
  ptrdiff_t column_step;
  enum legrad_part part;
};

// output = factor * scale * (left * right) + bias in float64, over rows first_row ..< first_row + rows of the left
// operand. `multiply_pack` writes those rows in tiles of tile_rows to `packed`, [tiles][inner][tile_rows] doubles; its
// items are the tiles. `multiply` reads some of them there, for panels of tile_columns / 2 columns. Scratch: inner *
// tile_columns floats.
struct legrad_multiply {
  struct legrad_operand left;
  struct legrad_operand right;
  ptrdiff_t first_row;
  ptrdiff_t rows;
  ptrdiff_t inner;
  ptrdiff_t columns;
  double *packed;
  double factor;
  // Optional, with rows that repeat.
  struct legrad_operand scale;
  ptrdiff_t scale_rows;
  const double *bias;
  // Whether the result is added to what the output holds.
  bool accumulates;
  double *output;
  ptrdiff_t output_stride;
};

// Items: rows of the output. `value` is optional.
struct legrad_relevance_share {
  const double *relevance;
  ptrdiff_t relevance_stride;
  const double *total;
  ptrdiff_t total_stride;
  const double *value;
  ptrdiff_t value_stride;
  // Of total and value.
  ptrdiff_t rows;
  ptrdiff_t columns;
  bool accumulates;
  double *output;
  ptrdiff_t output_stride;
};

// The operations on rows that also take float64.
struct legrad_double_layer_norm {
  const double *input;
  ptrdiff_t input_stride;
  const double *scale;
  const double *shift;
  double epsilon;
  ptrdiff_t columns;
  double *output;
  ptrdiff_t output_stride;
  double *statistics;
  ptrdiff_t statistics_stride;
};

struct legrad_double_softmax {
  const double *input;
  ptrdiff_t input_stride;
  double factor;
  ptrdiff_t columns;
  double *output;
  ptrdiff_t output_stride;
};

struct legrad_double_activate {
  enum legrad_activation activation;
  const double *input;
  ptrdiff_t input_stride;
  ptrdiff_t columns;
  double *output;
  ptrdiff_t output_stride;
  double *derivative;
  ptrdiff_t derivative_stride;
};

struct legrad_double_add_rows {
  const double *input;
  ptrdiff_t input_stride;
  const double *addend;
  ptrdiff_t addend_stride;
  ptrdiff_t addend_rows;
  ptrdiff_t columns;
  double *output;
  ptrdiff_t output_stride;
};

#endif
