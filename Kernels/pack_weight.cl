// A weight as matmul.cl reads it (Compute/Backend.swift, prepare):
//
//   weight[row][column] = values[row][column], zero outside                        [padded rows][padded columns]
//
// One work-item per stored element: dimension 0 is the column, dimension 1 the row; with fewer work-items in dimension
// 1 than rows, each goes on with the rows beyond. Finite values that do not fit the stored type are counted.

#ifndef STORAGE
#define STORAGE 0  // of the weight's elements: 0 float32, 1 float16, 2 bfloat16
#endif

// TOO_LARGE: the magnitude of the smallest number that becomes infinite.
#if STORAGE == 0
#define TOO_LARGE 0x7f800000u
typedef float stored;
static inline void store_rounded(__global stored *to, float x) { *to = x; }
#elif STORAGE == 1
#define TOO_LARGE 0x477ff000u
typedef half stored;
static inline void store_rounded(__global stored *to, float x) { vstore_half_rte(x, 0, to); }
#else
#define TOO_LARGE 0x7f7f8000u
typedef ushort stored;
static inline void store_rounded(__global stored *to, float x) {
  const uint bits = as_uint(x);
  *to = (isnan(x) ? bits | 0x400000u : bits + 0x7fffu + (bits >> 16 & 1)) >> 16;
}
#endif

__kernel void pack_weight(
    INPUT(values), __global stored *weight, __global uint *overflow_count, const uint rows, const uint columns,
    const uint padded_rows, const uint padded_columns) {
  const uint column = get_global_id(0);
  if (column >= padded_columns) return;
  for (uint row = get_global_id(1); row < padded_rows; row += get_global_size(1)) {
    const float x = row < rows && column < columns ? ROW(values, row)[column] : 0.0f;
    store_rounded(weight + (ulong)row * padded_columns + column, x);
    const uint magnitude = as_uint(x) & 0x7fffffffu;
    if (magnitude >= TOO_LARGE && magnitude < 0x7f800000u) atomic_inc(overflow_count);
  }
}
