// The CPU's inner loops, one table of functions per instruction set, chosen at run time.
//
// Matrices are row-major float32; strides and counts are in elements. Functions work on a range of their items
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
  void *panels;
};

// Items: panels of the weight. Scratch: padded_inputs * tile_columns floats.
struct legrad_weight_packing {
  const float *values;
  struct legrad_weight weight;
};

// The left operand of a product in tiles of rows, one block of the inner dimension after the other:
// [blocks][row tiles][words of the block][tile_rows]. A word is one float, or two bfloat16 of neighbouring
// elements where `pairs`. Items: row tiles.
struct legrad_left_packing {
  const float *input;
  ptrdiff_t input_stride;
  // Optional: row r is input[shared row] times scales[prompt row].
  const float *scales;
  ptrdiff_t scales_stride;
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
  float *output;
  ptrdiff_t output_stride;
  const float *bias;
  enum legrad_activation activation;
  float *derivative;
  ptrdiff_t derivative_stride;
  const float *residual;
  ptrdiff_t residual_stride;
  ptrdiff_t residual_rows;
};

struct legrad_layer_norm {
  const float *input;
  ptrdiff_t input_stride;
  const float *scale;
  const float *shift;
  float epsilon;
  ptrdiff_t columns;
  float *output;
  ptrdiff_t output_stride;
  float *statistics;
  ptrdiff_t statistics_stride;
};

struct legrad_layer_norm_backward {
  const float *upstream;
  ptrdiff_t upstream_stride;
  const float *input;
  ptrdiff_t input_stride;
  const float *statistics;
  ptrdiff_t statistics_stride;
  const float *scale;
  struct legrad_stack stack;
  float factor;
  const float *addend;
  ptrdiff_t addend_stride;
  ptrdiff_t columns;
  float *output;
  ptrdiff_t output_stride;
};

struct legrad_activate {
  enum legrad_activation activation;
  const float *input;
  ptrdiff_t input_stride;
  ptrdiff_t columns;
  float *output;
  ptrdiff_t output_stride;
  float *derivative;
  ptrdiff_t derivative_stride;
};

struct legrad_activation_backward {
  const float *upstream;
  ptrdiff_t upstream_stride;
  bool upstream_per_prompt;
  const float *derivative;
  ptrdiff_t derivative_stride;
  struct legrad_stack stack;
  ptrdiff_t columns;
  float *gradient;
  ptrdiff_t gradient_stride;
};

struct legrad_add_rows {
  const float *input;
  ptrdiff_t input_stride;
  const float *addend;
  ptrdiff_t addend_stride;
  ptrdiff_t addend_rows;
  ptrdiff_t columns;
  float *output;
  ptrdiff_t output_stride;
};

struct legrad_softmax {
  const float *input;
  ptrdiff_t input_stride;
  float factor;
  ptrdiff_t columns;
  float *output;
  ptrdiff_t output_stride;
};

struct legrad_softmax_backward {
  const float *upstream;
  ptrdiff_t upstream_stride;
  const float *output;
  ptrdiff_t output_stride;
  ptrdiff_t columns;
  float *gradient;
  ptrdiff_t gradient_stride;
};

// Items: groups.
struct legrad_mean_rows {
  const float *input;
  ptrdiff_t input_stride;
  ptrdiff_t rows_per_group;
  ptrdiff_t columns;
  float *output;
  ptrdiff_t output_stride;
};

struct legrad_normalize_rows {
  const float *input;
  ptrdiff_t input_stride;
  ptrdiff_t columns;
  float *output;
  ptrdiff_t output_stride;
  float *norms;
  ptrdiff_t norms_stride;
};

// Items: rows of the gradient.
struct legrad_normalize_rows_backward {
  const float *directions;
  ptrdiff_t directions_stride;
  ptrdiff_t prompts;
  const float *normalized;
  ptrdiff_t normalized_stride;
  const float *norms;
  ptrdiff_t norms_stride;
  ptrdiff_t columns;
  float *gradient;
  ptrdiff_t gradient_stride;
};

// Items: (sequence * heads + head) * chunks + chunk, a chunk being query_tiles_per_chunk tiles of tile_columns
// queries. Scratch: attention_scratch floats.
struct legrad_attention {
  const float *queries;
  ptrdiff_t query_stride;
  const float *keys;
  ptrdiff_t key_stride;
  const float *values;
  ptrdiff_t value_stride;
  ptrdiff_t heads;
  ptrdiff_t head_width;
  ptrdiff_t tokens;
  bool causal;
  ptrdiff_t chunks;
  ptrdiff_t query_tiles_per_chunk;
  float *output;
  ptrdiff_t output_stride;
};

// Items: sequence * heads + head. Scratch: attention_backward_scratch floats.
struct legrad_attention_backward {
  const float *upstream;
  ptrdiff_t upstream_stride;
  const float *queries;
  ptrdiff_t query_stride;
  const float *keys;
  ptrdiff_t key_stride;
  const float *values;
  ptrdiff_t value_stride;
  ptrdiff_t heads;
  ptrdiff_t head_width;
  ptrdiff_t tokens;
  bool causal;
  float *query_gradient;
  ptrdiff_t query_gradient_stride;
  float *key_gradient;
  ptrdiff_t key_gradient_stride;
  float *value_gradient;
  ptrdiff_t value_gradient_stride;
};

// Items: (image * prompts + prompt) * heads + head; each fills its row of `sums` [items, tokens] with the sum
// over queries. Scratch: attention_relevance_scratch floats.
struct legrad_attention_relevance {
  const float *output_gradient;
  ptrdiff_t output_gradient_stride;
  const float *values;
  ptrdiff_t value_stride;
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
  float *relevance;
  ptrdiff_t relevance_stride;
};

// Items: (image * prompts + prompt) * heads + head, the rows of `scores`.
struct legrad_key_scores {
  const float *rows;
  ptrdiff_t row_stride;
  ptrdiff_t row_count;
  const float *tokens;
  ptrdiff_t token_stride;
  ptrdiff_t heads;
  ptrdiff_t head_width;
  struct legrad_stack stack;
  float factor;
  float *scores;
  ptrdiff_t score_stride;
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
  const float *map;
  ptrdiff_t map_stride;
  const float *gradient;
  ptrdiff_t gradient_stride;
  ptrdiff_t heads;
  ptrdiff_t prompts;
  ptrdiff_t leading_keys;
  ptrdiff_t tokens;
  float factor;
  float *relevance;
  ptrdiff_t relevance_stride;
};

// Items: rows of the sums.
struct legrad_token_sums {
  const float *weights;
  ptrdiff_t weight_stride;
  const float *token_values;
  ptrdiff_t token_stride;
  ptrdiff_t tokens;
  ptrdiff_t rows_per_image;
  ptrdiff_t columns;
  float *sums;
  ptrdiff_t sum_stride;
};

// Items: rows of the gradient.
struct legrad_token_sums_backward {
  const float *weights;
  ptrdiff_t weight_stride;
  const float *upstream;
  ptrdiff_t upstream_stride;
  ptrdiff_t upstream_count;
  ptrdiff_t tokens;
  ptrdiff_t rows_per_group;
  ptrdiff_t columns;
  bool accumulates;
  float *gradient;
  ptrdiff_t gradient_stride;
};

// Items: (image * prompts + prompt) * heads + head; each fills its row of `sums` [items, tokens]. `output_gradient`
// and `values` are null where the map alone is wanted. Scratch: row_through_map_scratch floats.
struct legrad_row_through_map {
  const float *row;
  ptrdiff_t row_stride;
  const float *queries;
  ptrdiff_t query_stride;
  const float *keys;
  ptrdiff_t key_stride;
  const float *output_gradient;
  ptrdiff_t output_gradient_stride;
  const float *values;
  ptrdiff_t value_stride;
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
  const float *row;
  ptrdiff_t row_stride;
  float factor;
  float *output;
  ptrdiff_t output_stride;
};

#include "CSimdFloat64.h"

struct legrad_simd_table {
  // The tile that a product's accumulators hold, in rows of the left operand and columns of the right one.
  ptrdiff_t tile_rows;
  ptrdiff_t tile_columns;
  // Whether bfloat16 weights are best multiplied by pairs: the machine has an instruction for it.
  bool multiplies_pairs;

  // Returns the count of finite values that became infinite in the weight's storage.
  ptrdiff_t (*pack_weight)(const struct legrad_weight_packing *, ptrdiff_t begin, ptrdiff_t end, float *scratch);
  void (*pack_left)(const struct legrad_left_packing *, ptrdiff_t begin, ptrdiff_t end);
  // Scratch: product_scratch floats for the numbers of row tiles and panels at hand.
  void (*product)(
      const struct legrad_product *, ptrdiff_t tile_begin, ptrdiff_t tile_end, ptrdiff_t panel_begin,
      ptrdiff_t panel_end, float *scratch);
  ptrdiff_t (*product_scratch)(const struct legrad_product *, ptrdiff_t row_tiles, ptrdiff_t panels);

  void (*layer_norm)(const struct legrad_layer_norm *, ptrdiff_t begin, ptrdiff_t end);
  void (*layer_norm_backward)(const struct legrad_layer_norm_backward *, ptrdiff_t begin, ptrdiff_t end);
  void (*activate)(const struct legrad_activate *, ptrdiff_t begin, ptrdiff_t end);
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

  void (*multiply_pack)(const struct legrad_multiply *, ptrdiff_t begin, ptrdiff_t end);
  void (*multiply)(
      const struct legrad_multiply *, ptrdiff_t tile_begin, ptrdiff_t tile_end, ptrdiff_t panel_begin,
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

// The online processors that this process may run on; at least 1.
ptrdiff_t legrad_cpu_count(void);

// What a waiting loop does between two looks.
static inline void legrad_spin_hint(void) {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}

#endif
