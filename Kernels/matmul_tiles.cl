// What the kernels of the portable product share: how they read four elements that lie together, a quad, of either
// operand. Their programs are common.cl, this file and their own.

#ifndef STORAGE
#define STORAGE 0  // of the weight's elements: 0 float32, 1 float16, 2 bfloat16, 3 two parts of bfloat16 (matmul_matrix.cl)
#endif
#ifndef SIDE_INPUTS
#define SIDE_INPUTS 0
#endif
#ifndef SCALED
#define SCALED 0
#endif
#ifndef WHOLE
#define WHOLE 0  // whether rows of input and scales start at multiples of four floats, and steps divide the depth
#endif

// PoCL 3.1 loses local memory of a kernel that it finds in a function.
#define INLINE __attribute__((always_inline)) static inline

#if STORAGE == 0
typedef float stored;
static inline float4 weight_quad(__global const stored *from) { return *(__global const float4 *)from; }
#elif STORAGE == 1
typedef half stored;
static inline float4 weight_quad(__global const stored *from) {
  // One load: NVIDIA's vloada_half4 is four.
  const ushort4 bits = *(__global const ushort4 *)from;
  return vload_half4(0, (const half *)&bits);
}
#else
typedef ushort stored;
static inline float4 weight_quad(__global const stored *from) {
  return as_float4(convert_uint4(*(__global const ushort4 *)from) << (uint4)(16));
}
#endif

// One weight of `weight_step` elements or more, a group in dimension 2 for each.
#define WEIGHT(name) __global const stored *name, const ulong name##_offset, const ulong name##_step

// Goes to the group's own weight, and to the rows that it meets; later to those of the output, of which there are as many
// as `rows`. Apart, so that nothing of the output takes registers before the sums are done.
#define GO_TO_WEIGHT                                                                               \
  weight += (STORAGE == 3 ? 2 : 1) * (weight_offset + get_group_id(2) * weight_step);              \
  input_buffer += (ulong)get_group_id(2) * (SCALED ? rows / prompts : rows) * input_stride;        \
  if (SCALED) scales_buffer += (ulong)get_group_id(2) * (rows / tokens) * scales_stride;
#define GO_TO_OUTPUT output_buffer += (ulong)get_group_id(2) * rows * output_stride;

// Elements k … k + 3 of a row of the left operand, 0 beyond its end.
static inline float4 row_quad(__global const float *row, uint k, uint depth) {
  if (WHOLE) return *(__global const float4 *)(row + k);
  if (k + 4 <= depth) return vload4(0, row + k);
  float4 quad = (float4)(0.0f);
  if (k < depth) quad.x = row[k];
  if (k + 1 < depth) quad.y = row[k + 1];
  if (k + 2 < depth) quad.z = row[k + 2];
  return quad;
}
