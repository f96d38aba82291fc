// A weight as matmul_cpu.cl reads it (Compute/Backend.swift, prepare):
//
//   panels[panel][k][c] = values[32 panel + c][k], zero outside          [padded outputs / 32][padded inputs][32]
//
// One work-item packs one panel, in squares of 16. Finite values that do not fit the stored type are counted.

#ifndef STORAGE
#define STORAGE 0  // of the weight's elements: 0 float32, 1 float16, 2 bfloat16
#endif
#define TILE_COLUMNS 32

// TOO_LARGE: the magnitude of the smallest number that becomes infinite.
#if STORAGE == 0
#define TOO_LARGE 0x7f800000
typedef float stored;
typedef float16 stored_vector;
static inline stored_vector rounded(float16 x) { return x; }
#elif STORAGE == 1
#define TOO_LARGE 0x477ff000
typedef ushort stored;
typedef ushort16 stored_vector;
// To nearest, ties to even. PoCL's vstore_half does the same, element by element.
static inline stored_vector rounded(float16 x) {
  const uint16 sign = as_uint16(x) >> (uint16)(16) & (uint16)(0x8000), magnitude = as_uint16(x) & (uint16)(0x7fffffff);
  const uint16 half_ulp = (uint16)(0xfff) + (magnitude >> (uint16)(13) & (uint16)(1));
  const uint16 normal = (magnitude + half_ulp - (uint16)(0x38000000)) >> (uint16)(13);
  // Below the normal halves, adding 1/2 lets the addition round at 2⁻²⁴.
  const uint16 subnormal = as_uint16(as_float16(magnitude) + (float16)(0.5f)) - (uint16)(0x3f000000);
  uint16 result = select(subnormal, normal, magnitude >= (uint16)(0x38800000));
  result = select(result, (uint16)(0x7c00), magnitude >= (uint16)(TOO_LARGE));
  result = select(result, (uint16)(0x7e00), magnitude > (uint16)(0x7f800000));
  return convert_ushort16(result | sign);
}
#else
#define TOO_LARGE 0x7f7f8000
typedef ushort stored;
typedef ushort16 stored_vector;
static inline stored_vector rounded(float16 x) {
  const uint16 bits = as_uint16(x), magnitude = bits & (uint16)(0x7fffffff);
  const uint16 nearest = bits + (uint16)(0x7fff) + (bits >> (uint16)(16) & (uint16)(1));
  const uint16 quiet = bits | (uint16)(0x400000);
  return convert_ushort16(select(nearest, quiet, magnitude > (uint16)(0x7f800000)) >> (uint16)(16));
}
#endif

// 1 in lanes that are finite and will not be.
static inline uint16 overflows(float16 x) {
  const uint16 magnitude = as_uint16(x) & (uint16)(0x7fffffff);
  return as_uint16(magnitude >= (uint16)(TOO_LARGE) && magnitude < (uint16)(0x7f800000)) & (uint16)(1);
}

__attribute__((reqd_work_group_size(1, 1, 1))) __kernel void pack_weight(
    INPUT(values), __global stored *panels, __global uint *overflow_count, const uint rows, const uint columns,
    const uint padded_inputs) {
  const uint first = get_global_id(0) * TILE_COLUMNS;
  __global stored *panel = panels + (ulong)first * padded_inputs;
  uint16 overflowing = (uint16)(0);
  for (uint k = 0; k < padded_inputs; k += 16)
    for (uint c = 0; c < TILE_COLUMNS; c += 16) {
      float16 square[16];
#pragma unroll
      for (uint i = 0; i < 16; i++) {
        const uint row = first + c + i;
        square[i] = (float16)(0.0f);
        if (row < rows && k < columns) square[i] = load_up_to(ROW(values, row) + k, columns - k);
        overflowing += overflows(square[i]);
      }
      turn_square(square);
#pragma unroll
      for (uint i = 0; i < 16; i++)
        *(__global stored_vector *)(panel + (k + i) * TILE_COLUMNS + c) = rounded(square[i]);
    }
  uint counts[16], count = 0;
  vstore16(overflowing, 0, counts);
  for (uint i = 0; i < 16; i++) count += counts[i];
  if (count) atomic_add(overflow_count, count);
}
