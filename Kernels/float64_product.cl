// output = left · right, or left · rightᵀ, in float64, all row-major and contiguous:
// Compute/Operations/Float64Product.swift. The one kernel that needs more than OpenCL C 1.2.
//
// A work-item computes ROWS_PER_ITEM rows (dimension 1) of one column (0), so that an element of `right` serves them all;
// neighbours compute neighbouring columns. Its speed is no goal.

#pragma OPENCL EXTENSION cl_khr_fp64 : enable

#define ROWS_PER_ITEM 8

__kernel void float64_product(
    __global const double *left, __global const double *right, __global double *output, const uint right_is_transposed,
    const uint rows, const uint inner, const uint columns) {
  const uint column = get_global_id(0), first = get_global_id(1) * ROWS_PER_ITEM;
  if (column >= columns) return;
  const uint count = min(rows - first, (uint)ROWS_PER_ITEM);
  const ulong begin = right_is_transposed ? (ulong)column * inner : column, step = right_is_transposed ? 1 : columns;
  double sums[ROWS_PER_ITEM];
  for (uint r = 0; r < ROWS_PER_ITEM; r++) sums[r] = 0.0;
  for (uint k = 0; k < inner; k++) {
    const double b = right[begin + k * step];
    for (uint r = 0; r < count; r++) sums[r] = fma(left[(ulong)(first + r) * inner + k], b, sums[r]);
  }
  for (uint r = 0; r < count; r++) output[(ulong)(first + r) * columns + column] = sums[r];
}
