// One instruction set's functions. An instance file defines LEGRAD_LANES, LEGRAD_FMA, LEGRAD_F16C,
// LEGRAD_TILE_ROWS, LEGRAD_MULTIPLIES_PAIRS and LEGRAD_TABLE, the name of its table.
#include "../include/CSimd.h"

#include "vector.h"
#include "functions.h"
#include "tiles.h"
#include "packing.h"
#include "product.h"
#include "rows.h"
#include "rotate.h"
#include "attention.h"
#include "attention_backward.h"
#include "attention_rows.h"
#include "part_product.h"
#include "double_rows.h"
#include "peak.h"

const struct legrad_simd_table LEGRAD_TABLE = {
    .tile_rows = TILE_ROWS,
    .tile_columns = TILE_COLUMNS,
    .multiplies_pairs = LEGRAD_MULTIPLIES_PAIRS,
    .pack_weight = pack_weight,
    .largest_magnitude = largest_magnitude,
    .pack_left = pack_left,
    .product = product,
    .product_scratch = product_scratch,
    .layer_norm = layer_norm,
    .layer_norm_backward = layer_norm_backward,
    .folded_norm_backward = folded_norm_backward,
    .activate = activate,
    .gate = gate,
    .rotate = rotate,
    .activation_backward = activation_backward,
    .add_rows = add_rows,
    .softmax = softmax,
    .softmax_backward = softmax_backward,
    .mean_rows = mean_rows,
    .normalize_rows = normalize_rows,
    .normalize_rows_backward = normalize_rows_backward,
    .attention = attention,
    .attention_scratch = attention_scratch,
    .attention_backward = attention_backward,
    .attention_backward_scratch = attention_backward_scratch,
    .attention_relevance = attention_relevance,
    .attention_relevance_scratch = attention_relevance_scratch,
    .relevance_mean = relevance_mean,
    .key_scores = key_scores,
    .key_relevance = key_relevance,
    .token_sums = token_sums,
    .token_sums_backward = token_sums_backward,
    .row_through_map = row_through_map,
    .row_through_map_scratch = row_through_map_scratch,
    .row_mean = row_mean,
    .part_product_pack = part_product_pack,
    .part_product = part_product,
    .relevance_share = relevance_share,
    .double_layer_norm = double_layer_norm,
    .double_softmax = double_softmax,
    .double_activate = double_activate,
    .double_add_rows = double_add_rows,
    .multiply_add_burst = multiply_add_burst,
};
