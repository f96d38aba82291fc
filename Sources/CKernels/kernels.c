// The text of Kernels/*.cl. A file that is not listed here does not exist for the program.

#include "CKernels.h"

#ifndef __has_embed
#error "#embed is missing: build with Swift 6.3 or later"
#endif

static const char activate[] = {
#embed "../../Kernels/activate.cl" suffix(, 0)
};
static const char activation_backward[] = {
#embed "../../Kernels/activation_backward.cl" suffix(, 0)
};
static const char add_rows[] = {
#embed "../../Kernels/add_rows.cl" suffix(, 0)
};
static const char attention[] = {
#embed "../../Kernels/attention.cl" suffix(, 0)
};
static const char attention_backward[] = {
#embed "../../Kernels/attention_backward.cl" suffix(, 0)
};
static const char attention_backward_cpu[] = {
#embed "../../Kernels/attention_backward_cpu.cl" suffix(, 0)
};
static const char attention_cpu[] = {
#embed "../../Kernels/attention_cpu.cl" suffix(, 0)
};
static const char attention_matrix[] = {
#embed "../../Kernels/attention_matrix.cl" suffix(, 0)
};
static const char attention_matrix_tiles[] = {
#embed "../../Kernels/attention_matrix_tiles.cl" suffix(, 0)
};
static const char attention_relevance[] = {
#embed "../../Kernels/attention_relevance.cl" suffix(, 0)
};
static const char attention_relevance_cpu[] = {
#embed "../../Kernels/attention_relevance_cpu.cl" suffix(, 0)
};
static const char attention_relevance_matrix[] = {
#embed "../../Kernels/attention_relevance_matrix.cl" suffix(, 0)
};
static const char attention_relevance_mean[] = {
#embed "../../Kernels/attention_relevance_mean.cl" suffix(, 0)
};
static const char attention_tiles[] = {
#embed "../../Kernels/attention_tiles.cl" suffix(, 0)
};
static const char attention_tiles_cpu[] = {
#embed "../../Kernels/attention_tiles_cpu.cl" suffix(, 0)
};
static const char common[] = {
#embed "../../Kernels/common.cl" suffix(, 0)
};
static const char copy[] = {
#embed "../../Kernels/copy.cl" suffix(, 0)
};
static const char fill[] = {
#embed "../../Kernels/fill.cl" suffix(, 0)
};
static const char gather_rows[] = {
#embed "../../Kernels/gather_rows.cl" suffix(, 0)
};
static const char folded_norm_backward[] = {
#embed "../../Kernels/folded_norm_backward.cl" suffix(, 0)
};
static const char folded_norm_backward_cpu[] = {
#embed "../../Kernels/folded_norm_backward_cpu.cl" suffix(, 0)
};
static const char gate[] = {
#embed "../../Kernels/gate.cl" suffix(, 0)
};
static const char key_relevance[] = {
#embed "../../Kernels/key_relevance.cl" suffix(, 0)
};
static const char key_scores[] = {
#embed "../../Kernels/key_scores.cl" suffix(, 0)
};
static const char layer_norm[] = {
#embed "../../Kernels/layer_norm.cl" suffix(, 0)
};
static const char layer_norm_backward[] = {
#embed "../../Kernels/layer_norm_backward.cl" suffix(, 0)
};
static const char layer_norm_backward_cpu[] = {
#embed "../../Kernels/layer_norm_backward_cpu.cl" suffix(, 0)
};
static const char layer_norm_cpu[] = {
#embed "../../Kernels/layer_norm_cpu.cl" suffix(, 0)
};
static const char matmul[] = {
#embed "../../Kernels/matmul.cl" suffix(, 0)
};
static const char matmul_cpu[] = {
#embed "../../Kernels/matmul_cpu.cl" suffix(, 0)
};
static const char matmul_matrix[] = {
#embed "../../Kernels/matmul_matrix.cl" suffix(, 0)
};
static const char matmul_rows[] = {
#embed "../../Kernels/matmul_rows.cl" suffix(, 0)
};
static const char matmul_tiles[] = {
#embed "../../Kernels/matmul_tiles.cl" suffix(, 0)
};
static const char matrix_amd_mfma[] = {
#embed "../../Kernels/matrix_amd_mfma.cl" suffix(, 0)
};
static const char matrix_amd_wmma[] = {
#embed "../../Kernels/matrix_amd_wmma.cl" suffix(, 0)
};
static const char matrix_intel[] = {
#embed "../../Kernels/matrix_intel.cl" suffix(, 0)
};
static const char matrix_nvidia[] = {
#embed "../../Kernels/matrix_nvidia.cl" suffix(, 0)
};
static const char matrix_tiles[] = {
#embed "../../Kernels/matrix_tiles.cl" suffix(, 0)
};
static const char mean_rows[] = {
#embed "../../Kernels/mean_rows.cl" suffix(, 0)
};
static const char normalize_rows[] = {
#embed "../../Kernels/normalize_rows.cl" suffix(, 0)
};
static const char normalize_rows_backward[] = {
#embed "../../Kernels/normalize_rows_backward.cl" suffix(, 0)
};
static const char normalize_rows_backward_cpu[] = {
#embed "../../Kernels/normalize_rows_backward_cpu.cl" suffix(, 0)
};
static const char normalize_rows_cpu[] = {
#embed "../../Kernels/normalize_rows_cpu.cl" suffix(, 0)
};
static const char pack_rows_cpu[] = {
#embed "../../Kernels/pack_rows_cpu.cl" suffix(, 0)
};
static const char pack_weight[] = {
#embed "../../Kernels/pack_weight.cl" suffix(, 0)
};
static const char pack_weight_cpu[] = {
#embed "../../Kernels/pack_weight_cpu.cl" suffix(, 0)
};
static const char part_product[] = {
#embed "../../Kernels/part_product.cl" suffix(, 0)
};
static const char part_product_cpu[] = {
#embed "../../Kernels/part_product_cpu.cl" suffix(, 0)
};
static const char patchify[] = {
#embed "../../Kernels/patchify.cl" suffix(, 0)
};
static const char peak[] = {
#embed "../../Kernels/peak.cl" suffix(, 0)
};
static const char relevance_share[] = {
#embed "../../Kernels/relevance_share.cl" suffix(, 0)
};
static const char rotate[] = {
#embed "../../Kernels/rotate.cl" suffix(, 0)
};
static const char row_through_map[] = {
#embed "../../Kernels/row_through_map.cl" suffix(, 0)
};
static const char row_through_map_cpu[] = {
#embed "../../Kernels/row_through_map_cpu.cl" suffix(, 0)
};
static const char row_through_map_mean[] = {
#embed "../../Kernels/row_through_map_mean.cl" suffix(, 0)
};
static const char softmax[] = {
#embed "../../Kernels/softmax.cl" suffix(, 0)
};
static const char softmax_backward[] = {
#embed "../../Kernels/softmax_backward.cl" suffix(, 0)
};
static const char softmax_backward_cpu[] = {
#embed "../../Kernels/softmax_backward_cpu.cl" suffix(, 0)
};
static const char softmax_cpu[] = {
#embed "../../Kernels/softmax_cpu.cl" suffix(, 0)
};
static const char token_sums[] = {
#embed "../../Kernels/token_sums.cl" suffix(, 0)
};
static const char token_sums_backward[] = {
#embed "../../Kernels/token_sums_backward.cl" suffix(, 0)
};

#define FILE(name) {#name ".cl", name, sizeof name - 1}
static const struct legrad_kernel_file files[] = {
    FILE(activate),
    FILE(activation_backward),
    FILE(add_rows),
    FILE(attention),
    FILE(attention_backward),
    FILE(attention_backward_cpu),
    FILE(attention_cpu),
    FILE(attention_matrix),
    FILE(attention_matrix_tiles),
    FILE(attention_relevance),
    FILE(attention_relevance_cpu),
    FILE(attention_relevance_matrix),
    FILE(attention_relevance_mean),
    FILE(attention_tiles),
    FILE(attention_tiles_cpu),
    FILE(common),
    FILE(copy),
    FILE(fill),
    FILE(gather_rows),
    FILE(folded_norm_backward),
    FILE(folded_norm_backward_cpu),
    FILE(gate),
    FILE(key_relevance),
    FILE(key_scores),
    FILE(layer_norm),
    FILE(layer_norm_backward),
    FILE(layer_norm_backward_cpu),
    FILE(layer_norm_cpu),
    FILE(matmul),
    FILE(matmul_cpu),
    FILE(matmul_matrix),
    FILE(matmul_rows),
    FILE(matmul_tiles),
    FILE(matrix_amd_mfma),
    FILE(matrix_amd_wmma),
    FILE(matrix_intel),
    FILE(matrix_nvidia),
    FILE(matrix_tiles),
    FILE(mean_rows),
    FILE(normalize_rows),
    FILE(normalize_rows_backward),
    FILE(normalize_rows_backward_cpu),
    FILE(normalize_rows_cpu),
    FILE(pack_rows_cpu),
    FILE(pack_weight),
    FILE(pack_weight_cpu),
    FILE(part_product),
    FILE(part_product_cpu),
    FILE(patchify),
    FILE(peak),
    FILE(relevance_share),
    FILE(rotate),
    FILE(row_through_map),
    FILE(row_through_map_cpu),
    FILE(row_through_map_mean),
    FILE(softmax),
    FILE(softmax_backward),
    FILE(softmax_backward_cpu),
    FILE(softmax_cpu),
    FILE(token_sums),
    FILE(token_sums_backward),
};

size_t legrad_kernel_file_count(void) { return sizeof files / sizeof *files; }

struct legrad_kernel_file legrad_kernel_file_at(size_t index) {
  return index < legrad_kernel_file_count() ? files[index] : (struct legrad_kernel_file){0, 0, 0};
}
