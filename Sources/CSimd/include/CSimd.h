// The CPU's inner loops, one table of functions per instruction set, chosen at run time.
//
// Matrices are row-major float32; counts are in elements. Functions work on a range of their items
// (rows, panels, heads), so that the caller may spread the ranges over threads; the result of an item does not
// depend on the range that it came in. Relevance propagation's float64 is in CSimdFloat64.h.
#ifndef LEGRAD_CSIMD_H
#define LEGRAD_CSIMD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum legrad_instruction_set {
  LEGRAD_PORTABLE,
  LEGRAD_AVX2,
  LEGRAD_AVX512,
  LEGRAD_AVX512BF16,
};

// How a packed weight stores its elements.
enum legrad_storage {
  LEGRAD_F32,
  LEGRAD_F16,
  // Two neighbours along the weight's inputs share a 32-bit word, the lower input in the lower half.
  LEGRAD_BF16,
};

enum legrad_activation {
  LEGRAD_IDENTITY,
  LEGRAD_GELU,
  LEGRAD_QUICK_GELU,
  LEGRAD_GELU_TANH,
  LEGRAD_SILU,
};

// A row-major matrix: row r begins `stride` elements after row r - 1. Without a base there is none.
struct legrad_matrix {
  float *base;
  ptrdiff_t stride;
};

// A matrix that is only read.
struct legrad_input {
  const float *base;
  ptrdiff_t stride;
};

// Which rows of shared and of per-prompt matrices a stacked row reads; see Compute's PromptStack.
struct legrad_stack {
  ptrdiff_t prompts;
  ptrdiff_t tokens;
};

// A weight [outputs, inputs] in column panels: [outputs / tile_columns][padded inputs][tile_columns], filled up
// with zeros, so that both a panel's width and the padded inputs are multiples of tile_columns.
struct legrad_weight {
  enum legrad_storage storage;
  ptrdiff_t outputs;
  ptrdiff_t inputs;
  ptrdiff_t padded_inputs;
  // Which of them are in memory, the first at `panels`.
  ptrdiff_t first_panel;
  ptrdiff_t panel_count;
  void *panels;
};

// A weight as files have it: rows of elements one after the other, BF16 too, at any address; one part over the other,
// `part_rows` rows each.
#define LEGRAD_WEIGHT_PARTS 3
struct legrad_stored_weight {
  enum legrad_storage type;
  ptrdiff_t part_rows;
  const void *parts[LEGRAD_WEIGHT_PARTS];
};

// Items: panels of the weight.
struct legrad_weight_packing {
  struct legrad_stored_weight source;
  struct legrad_weight weight;
};

// The left operand of a product in tiles of rows, one block of the inner dimension after the other:
// [blocks][row tiles][words of the block][tile_rows]. A word is one float, or two bfloat16 of neighbouring
// elements where `pairs`. Items: row tiles.
struct legrad_left_packing {
  struct legrad_input input;
  // Optional: row r is input[shared row] times scales[prompt row].
  struct legrad_input scales;
  struct legrad_stack stack;
  // Packed row 0 is this row of the operand.
  ptrdiff_t first_row;
  ptrdiff_t rows;
  ptrdiff_t depth;
  ptrdiff_t depth_block;
  bool pairs;
  float *packed;
};

// output = epilogue(left * weight), over the weight's inputs or, if `transposed`, over its outputs.
struct legrad_product {
  const float *left;
  // Packed row 0 gives this row of the output.
  ptrdiff_t first_row;
  ptrdiff_t rows;
  ptrdiff_t columns;
  ptrdiff_t depth;
  // A multiple of tile_columns. Sums run inside a block first, then over the blocks.
  ptrdiff_t depth_block;
  struct legrad_weight weight;
  bool transposed;
  bool pairs;
  struct legrad_matrix output;
  const float *bias;
  enum legrad_activation activation;
  struct legrad_matrix derivative;
  struct legrad_matrix slopes;
  struct legrad_input residual;
  ptrdiff_t residual_rows;
};

struct legrad_layer_norm {
  struct legrad_input input;
  const float *scale;
  const float *shift;
  float epsilon;
  ptrdiff_t columns;
  struct legrad_matrix output;
  struct legrad_matrix statistics;
};

struct legrad_layer_norm_backward {
  struct legrad_input upstream;
  bool upstream_per_prompt;
  struct legrad_input input;
  struct legrad_input statistics;
  const float *scale;
  struct legrad_stack stack;
  float factor;
  struct legrad_input addend;
  ptrdiff_t columns;
  struct legrad_matrix output;
};

struct legrad_folded_norm_backward {
  struct legrad_input product;
  struct legrad_input slopes;
  struct legrad_input scales;
  ptrdiff_t hidden;
  struct legrad_input projected;
  struct legrad_input statistics;
  struct legrad_input addend;
  struct legrad_stack stack;
  ptrdiff_t columns;
  struct legrad_matrix output;
};

struct legrad_activate {
  enum legrad_activation activation;
  struct legrad_input input;
  ptrdiff_t columns;
  struct legrad_matrix output;
  struct legrad_matrix derivative;
};

// `input` holds `columns` of the gate, then as many of the value; so does `derivative`, which may be the input.
struct legrad_gate {
  enum legrad_activation activation;
  struct legrad_input input;
  ptrdiff_t columns;
  struct legrad_matrix output;
  struct legrad_matrix derivative;
};

// Items: rows of the matrix. Row leading_rows + p of each sequence is turned by row p of the angles, which have `pairs`
// columns; a head has twice as many.
struct legrad_rotate {
  struct legrad_matrix matrix;
  ptrdiff_t heads;
  ptrdiff_t pairs;
  ptrdiff_t tokens;
  ptrdiff_t leading_rows;
  struct legrad_input cosines;
  struct legrad_input sines;
  // Whether a pair is two neighbours, and not a column of a head's first half with its like in the second.
  bool neighbours;
  bool turns_back;
};

struct legrad_activation_backward {
  struct legrad_input upstream;
  bool upstream_per_prompt;
  struct legrad_input derivative;
  struct legrad_stack stack;
  ptrdiff_t columns;
  struct legrad_matrix gradient;
};

struct legrad_add_rows {
  struct legrad_input input;
  struct legrad_input addend;
  ptrdiff_t addend_rows;
  ptrdiff_t columns;
  struct legrad_matrix output;
};

struct legrad_softmax {
  struct legrad_input input;
  float factor;
  ptrdiff_t columns;
  struct legrad_matrix output;
};

struct legrad_softmax_backward {
  struct legrad_input upstream;
  struct legrad_input output;
  ptrdiff_t columns;
  struct legrad_matrix gradient;
};

// Items: groups.
struct legrad_mean_rows {
  struct legrad_input input;
  ptrdiff_t rows_per_group;
  ptrdiff_t columns;
  struct legrad_matrix output;
};

struct legrad_normalize_rows {
  struct legrad_input input;
  ptrdiff_t columns;
  struct legrad_matrix output;
  struct legrad_matrix norms;
};

// Items: rows of the gradient.
struct legrad_normalize_rows_backward {
  struct legrad_input directions;
  ptrdiff_t prompts;
  struct legrad_input normalized;
  struct legrad_input norms;
  ptrdiff_t columns;
  struct legrad_matrix gradient;
};

// Items: (sequence * heads + head) * chunks + chunk, a chunk being query_tiles_per_chunk tiles of tile_columns
// queries. Scratch: attention_scratch floats.
struct legrad_attention {
  struct legrad_input queries;
  struct legrad_input keys;
  struct legrad_input values;
  ptrdiff_t heads;
  ptrdiff_t head_width;
  ptrdiff_t tokens;
  bool causal;
  ptrdiff_t chunks;
  ptrdiff_t query_tiles_per_chunk;
  struct legrad_matrix output;
};

// Items: sequence * heads + head. Scratch: attention_backward_scratch floats.
struct legrad_attention_backward {
  struct legrad_input upstream;
  struct legrad_input queries;
  struct legrad_input keys;
  struct legrad_input values;
  ptrdiff_t heads;
  ptrdiff_t head_width;
  ptrdiff_t tokens;
  bool causal;
  struct legrad_matrix query_gradient;
  struct legrad_matrix key_gradient;
  struct legrad_matrix value_gradient;
};

// Items: (image * prompts + prompt) * heads + head; each fills its row of `sums` [items, tokens] with the sum
// over queries. Scratch: attention_relevance_scratch floats.
struct legrad_attention_relevance {
  struct legrad_input output_gradient;
  struct legrad_input values;
  ptrdiff_t heads;
  ptrdiff_t head_width;
  struct legrad_stack stack;
  float *sums;
};

// Items: image * prompts + prompt; adds the rows of heads in ascending order and scales them.
struct legrad_relevance_mean {
  const float *sums;
  ptrdiff_t heads;
  ptrdiff_t tokens;
  struct legrad_matrix relevance;
};

// Items: (image * prompts + prompt) * heads + head, the rows of `scores`.
struct legrad_key_scores {
  struct legrad_input rows;
  ptrdiff_t row_count;
  struct legrad_input tokens;
  ptrdiff_t heads;
  ptrdiff_t head_width;
  struct legrad_stack stack;
  float factor;
  struct legrad_matrix scores;
};

enum legrad_head_reading {
  LEGRAD_MAP,
  LEGRAD_POSITIVE_GRADIENT,
  LEGRAD_POSITIVE_PRODUCT,
  LEGRAD_PRODUCT,
  LEGRAD_WEIGHTED_MAP,
};

// Items: image * prompts + prompt. `map` or `gradient` is null where the reading does not use it.
struct legrad_key_relevance {
  enum legrad_head_reading reading;
  struct legrad_input map;
  struct legrad_input gradient;
  ptrdiff_t heads;
  ptrdiff_t prompts;
  ptrdiff_t leading_keys;
  ptrdiff_t tokens;
  float factor;
  struct legrad_matrix relevance;
};

// Items: rows of the sums.
struct legrad_token_sums {
  struct legrad_input weights;
  struct legrad_input token_values;
  ptrdiff_t tokens;
  ptrdiff_t rows_per_image;
  ptrdiff_t columns;
  struct legrad_matrix sums;
};

// Items: rows of the gradient.
struct legrad_token_sums_backward {
  struct legrad_input weights;
  struct legrad_input upstream;
  ptrdiff_t upstream_count;
  ptrdiff_t tokens;
  ptrdiff_t rows_per_group;
  ptrdiff_t columns;
  bool accumulates;
  struct legrad_matrix gradient;
};

// Items: (image * prompts + prompt) * heads + head; each fills its row of `sums` [items, tokens]. `output_gradient`
// and `values` are null where the map alone is wanted. Scratch: row_through_map_scratch floats.
struct legrad_row_through_map {
  struct legrad_input row;
  struct legrad_input queries;
  struct legrad_input keys;
  struct legrad_input output_gradient;
  struct legrad_input values;
  ptrdiff_t heads;
  ptrdiff_t head_width;
  struct legrad_stack stack;
  float *sums;
};

// Items: image * prompts + prompt; adds the rows of heads in ascending order to `row`.
struct legrad_row_mean {
  const float *sums;
  ptrdiff_t heads;
  ptrdiff_t tokens;
  struct legrad_input row;
  float factor;
  struct legrad_matrix output;
};

#include "CSimdFloat64.h"

struct legrad_simd_table {
  // The tile that a product's accumulators hold, in rows of the left operand and columns of the right one.
  ptrdiff_t tile_rows;
  ptrdiff_t tile_columns;
  // Whether bfloat16 weights are best multiplied by pairs: the machine has an instruction for it.
  bool multiplies_pairs;

  // Returns the count of finite values that became infinite in the weight's storage.
  ptrdiff_t (*pack_weight)(const struct legrad_weight_packing *, ptrdiff_t begin, ptrdiff_t end);
  // The float32 bits of the largest magnitude among stored elements; NaN is larger than any.
  uint32_t (*largest_magnitude)(enum legrad_storage type, const void *elements, ptrdiff_t count);
  void (*pack_left)(const struct legrad_left_packing *, ptrdiff_t begin, ptrdiff_t end);
  // Scratch: product_scratch floats for the numbers of row tiles and panels at hand.
  void (*product)(
      const struct legrad_product *, ptrdiff_t tile_begin, ptrdiff_t tile_end, ptrdiff_t panel_begin,
      ptrdiff_t panel_end, float *scratch);
  ptrdiff_t (*product_scratch)(const struct legrad_product *, ptrdiff_t row_tiles, ptrdiff_t panels);

  void (*layer_norm)(const struct legrad_layer_norm *, ptrdiff_t begin, ptrdiff_t end);
  void (*layer_norm_backward)(const struct legrad_layer_norm_backward *, ptrdiff_t begin, ptrdiff_t end);
  void (*folded_norm_backward)(const struct legrad_folded_norm_backward *, ptrdiff_t begin, ptrdiff_t end);
  void (*activate)(const struct legrad_activate *, ptrdiff_t begin, ptrdiff_t end);
  void (*gate)(const struct legrad_gate *, ptrdiff_t begin, ptrdiff_t end);
  void (*rotate)(const struct legrad_rotate *, ptrdiff_t begin, ptrdiff_t end);
  void (*activation_backward)(const struct legrad_activation_backward *, ptrdiff_t begin, ptrdiff_t end);
  void (*add_rows)(const struct legrad_add_rows *, ptrdiff_t begin, ptrdiff_t end);
  void (*softmax)(const struct legrad_softmax *, ptrdiff_t begin, ptrdiff_t end);
  void (*softmax_backward)(const struct legrad_softmax_backward *, ptrdiff_t begin, ptrdiff_t end);
  void (*mean_rows)(const struct legrad_mean_rows *, ptrdiff_t begin, ptrdiff_t end);
  void (*normalize_rows)(const struct legrad_normalize_rows *, ptrdiff_t begin, ptrdiff_t end);
  void (*normalize_rows_backward)(const struct legrad_normalize_rows_backward *, ptrdiff_t begin, ptrdiff_t end);

  void (*attention)(const struct legrad_attention *, ptrdiff_t begin, ptrdiff_t end, float *scratch);
  ptrdiff_t (*attention_scratch)(ptrdiff_t tokens, ptrdiff_t head_width);
  void (*attention_backward)(const struct legrad_attention_backward *, ptrdiff_t begin, ptrdiff_t end, float *scratch);
  ptrdiff_t (*attention_backward_scratch)(ptrdiff_t tokens, ptrdiff_t head_width);
  void (*attention_relevance)(
      const struct legrad_attention_relevance *, ptrdiff_t begin, ptrdiff_t end, float *scratch);
  ptrdiff_t (*attention_relevance_scratch)(ptrdiff_t tokens, ptrdiff_t head_width);
  void (*relevance_mean)(const struct legrad_relevance_mean *, ptrdiff_t begin, ptrdiff_t end);
  void (*key_scores)(const struct legrad_key_scores *, ptrdiff_t begin, ptrdiff_t end);
  void (*key_relevance)(const struct legrad_key_relevance *, ptrdiff_t begin, ptrdiff_t end);
  void (*token_sums)(const struct legrad_token_sums *, ptrdiff_t begin, ptrdiff_t end);
  void (*token_sums_backward)(const struct legrad_token_sums_backward *, ptrdiff_t begin, ptrdiff_t end);
  void (*row_through_map)(const struct legrad_row_through_map *, ptrdiff_t begin, ptrdiff_t end, float *scratch);
  ptrdiff_t (*row_through_map_scratch)(ptrdiff_t tokens, ptrdiff_t head_width);
  void (*row_mean)(const struct legrad_row_mean *, ptrdiff_t begin, ptrdiff_t end);

  void (*part_product_pack)(const struct legrad_part_product *, ptrdiff_t begin, ptrdiff_t end);
  void (*part_product)(
      const struct legrad_part_product *, ptrdiff_t tile_begin, ptrdiff_t tile_end, ptrdiff_t panel_begin,
      ptrdiff_t panel_end, float *scratch);
  void (*relevance_share)(const struct legrad_relevance_share *, ptrdiff_t begin, ptrdiff_t end);
  void (*double_layer_norm)(const struct legrad_double_layer_norm *, ptrdiff_t begin, ptrdiff_t end);
  void (*double_softmax)(const struct legrad_double_softmax *, ptrdiff_t begin, ptrdiff_t end);
  void (*double_activate)(const struct legrad_double_activate *, ptrdiff_t begin, ptrdiff_t end);
  void (*double_add_rows)(const struct legrad_double_add_rows *, ptrdiff_t begin, ptrdiff_t end);

  // Independent multiply-adds in registers, a multiplication and an addition where they are two instructions.
  // `value` holds 0.5 and receives the result. Returns the arithmetic operations done: two per element and round.
  ptrdiff_t (*multiply_add_burst)(ptrdiff_t rounds, float *value);
};

// The functions of an instruction set, or null where this machine (processor or operating system) lacks it.
const struct legrad_simd_table *legrad_simd_table_for(enum legrad_instruction_set set);

// Writes the processor's name, zero-terminated, into `name`; an empty string where it cannot be had.
void legrad_cpu_name(char *name, size_t capacity);

// What a waiting loop does between two looks.
static inline void legrad_spin_hint(void) {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}

#endif
