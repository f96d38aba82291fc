// A part of CSimd.h: what its float64 operations take, for relevance propagation.
#ifndef LEGRAD_CSIMD_FLOAT64_H
#define LEGRAD_CSIMD_FLOAT64_H

#include <stdbool.h>
#include <stddef.h>

// A matrix as in CSimd.h, of doubles.
struct legrad_double_matrix {
  double *base;
  ptrdiff_t stride;
};

struct legrad_double_input {
  const double *base;
  ptrdiff_t stride;
};

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
// operand. `part_product_pack` writes those rows in tiles of tile_rows to `packed`, [tiles][inner][tile_rows] doubles;
// its items are the tiles. `part_product` reads some of them there, for panels of tile_columns / 2 columns. Scratch:
// inner * tile_columns floats.
struct legrad_part_product {
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
  struct legrad_double_matrix output;
};

// Items: rows of the output. `value` is optional.
struct legrad_relevance_share {
  struct legrad_double_input relevance;
  struct legrad_double_input total;
  struct legrad_double_input value;
  // Of total and value.
  ptrdiff_t rows;
  ptrdiff_t columns;
  bool accumulates;
  struct legrad_double_matrix output;
};

// The operations on rows that also take float64.
struct legrad_double_layer_norm {
  struct legrad_double_input input;
  const double *scale;
  const double *shift;
  double epsilon;
  ptrdiff_t columns;
  struct legrad_double_matrix output;
  struct legrad_double_matrix statistics;
};

struct legrad_double_softmax {
  struct legrad_double_input input;
  double factor;
  ptrdiff_t columns;
  struct legrad_double_matrix output;
};

struct legrad_double_activate {
  enum legrad_activation activation;
  struct legrad_double_input input;
  ptrdiff_t columns;
  struct legrad_double_matrix output;
  struct legrad_double_matrix derivative;
};

struct legrad_double_add_rows {
  struct legrad_double_input input;
  struct legrad_double_input addend;
  ptrdiff_t addend_rows;
  ptrdiff_t columns;
  struct legrad_double_matrix output;
};

#endif
