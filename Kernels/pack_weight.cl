// A weight as the portable variant stores it (Sources/ComputeOpenCL/OpenCLWeight.swift): row-major, both sides filled up
// with zeros to whole tiles, so that matmul.cl reads it from either side without a check.
//
//   packed[o][i] = values[o][i], or 0 outside
//
// The matrix variant reads the same; in two parts (STORAGE 3) it is the values rounded to bfloat16 and, behind all of them,
// what that leaves of each, rounded too.
//
// A work-item per stored element: dimension 0 is the column, dimension 1 the row. `overflows` counts finite values that
// the storage turns into infinity; whole numbers add up to the same in any order.

#ifndef STORAGE
#define STORAGE 0  // 0 float32, 1 float16, 2 bfloat16, 3 two parts of bfloat16
#endif

#if STORAGE == 0
typedef float stored;
static inline void store_value(float value, __global stored *to) { *to = value; }
#define LARGEST MAXFLOAT
#elif STORAGE == 1
typedef half stored;
static inline void store_value(float value, __global stored *to) { vstore_half_rte(value, 0, to); }
// The least that rounds to infinity lies half a step above the largest float16.
#define LARGEST 65519.996f
#else
typedef ushort stored;
static inline void store_value(float value, __global stored *to) {
  const uint bits = as_uint(value);
  // To nearest, ties to even; NaN keeps a bit of its payload.
  *to = isnan(value) ? (ushort)(bits >> 16 | 0x40) : (ushort)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}
#define LARGEST 0x1.fefffep127f
#endif

__kernel void pack_weight(
    INPUT(values), __global stored *packed, const ulong packed_offset, __global uint *overflows, const uint rows,
    const uint columns, const uint padded_columns) {
  const uint column = get_global_id(0), row = get_global_id(1);
  if (column >= padded_columns) return;
  const float value = row < rows && column < columns ? ROW(values, row)[column] : 0.0f;
  __global stored *to = packed + (STORAGE == 3 ? 2 : 1) * packed_offset + (ulong)row * padded_columns + column;
  store_value(value, to);
#if STORAGE == 3
  const float first = as_float((uint)*to << 16);
  store_value(isinf(first) ? 0.0f : value - first, to + get_global_size(1) * padded_columns);
#endif
  if (fabs(value) > LARGEST && !isinf(value)) atomic_inc(overflows);
}
