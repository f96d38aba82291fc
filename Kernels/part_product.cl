// output = factor · scale ⊙ (left · right) + bias, or added to what the output holds, in double alone
// (Compute/Operations/PartProduct.swift). Sums run over k in ascending order.
//
// A work-item computes ROWS_PER_ITEM rows (dimension 1) of one column (0), so that an element of `right` serves them
// all; neighbours compute neighbouring columns. An operand's element (r, k) lies at r · stride + k, or where it is
// transposed at k · stride + r.

#ifndef ROWS_PER_ITEM
#define ROWS_PER_ITEM 8
#endif

// Which values of an operand count, as the launcher numbers them: all, the positive ones, the negative ones. NaN stays.
static inline real part_of(real x, uint part) {
  x = part == 1 && x < 0.0f ? 0.0f : x;
  return part == 2 && x > 0.0f ? 0.0f : x;
}

__kernel void part_product(
    INPUT(left), const uint left_transposed, const uint left_part, INPUT(right), const uint right_transposed,
    const uint right_part, INPUT(scale), const uint scale_rows, const uint scale_part, INPUT(bias), const uint has_bias,
    OUTPUT(output), const uint accumulates, const real factor, const uint rows, const uint inner, const uint columns) {
  const uint column = get_global_id(0), first = get_global_id(1) * ROWS_PER_ITEM;
  if (column >= columns) return;
  const uint count = min(rows - first, (uint)ROWS_PER_ITEM);
  const ulong row_step = left_transposed ? 1 : left_stride, left_step = left_transposed ? left_stride : 1;
  const ulong right_step = right_transposed ? 1 : right_stride;
  __global const real *a = ROW(left, 0) + first * row_step;
  __global const real *b = ROW(right, 0) + (ulong)column * (right_transposed ? right_stride : 1);
  real sums[ROWS_PER_ITEM];
  for (uint r = 0; r < ROWS_PER_ITEM; r++) sums[r] = 0.0f;
  // Rows past the end are the last one once more, so that the sums' indices are known and they stay in registers.
  for (uint k = 0; k < inner; k++) {
    const real y = part_of(b[k * right_step], right_part);
#pragma unroll
    for (uint r = 0; r < ROWS_PER_ITEM; r++)
      sums[r] = fma(part_of(a[min(r, count - 1) * row_step + k * left_step], left_part), y, sums[r]);
  }
#pragma unroll
  for (uint r = 0; r < ROWS_PER_ITEM; r++) {
    if (r >= count) break;
    const uint row = first + r;
    __global real *to = ROW(output, row) + column;
    real x = sums[r] * factor;
    if (scale_rows) x *= part_of(ROW(scale, row % scale_rows)[column], scale_part);
    if (has_bias) x += ROW(bias, 0)[column];
    *to = accumulates ? *to + x : x;
  }
}
