// Vectors of LEGRAD_LANES floats, the same names whatever the width.
//
// An instance file defines LEGRAD_LANES and LEGRAD_FMA (1 where multiply-add is one instruction) and pushes its
// target attribute before it includes the templates. Nothing here contracts a product and a sum by itself:
// results must not depend on what the optimiser saw.
#include <float.h>
#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#pragma STDC FP_CONTRACT OFF

#define INLINE static inline __attribute__((always_inline))
#define LANES LEGRAD_LANES

// Where a row of a matrix begins; null where there is no matrix.
#define ROW(matrix, row) ((matrix).base + (row) * (matrix).stride)
#define OPTIONAL_ROW(matrix, row) ((matrix).base ? ROW(matrix, row) : NULL)

typedef float vfloat __attribute__((vector_size(4 * LANES)));
typedef int32_t vint __attribute__((vector_size(4 * LANES)));
typedef uint32_t vword __attribute__((vector_size(4 * LANES)));
typedef float quad __attribute__((vector_size(16)));
typedef uint32_t quadword __attribute__((vector_size(16)));

#if LANES == 4
#define EACH_LANE(x) {x, x, x, x}
#define LANE_NUMBERS {0, 1, 2, 3}
#elif LANES == 8
#define EACH_LANE(x) {x, x, x, x, x, x, x, x}
#define LANE_NUMBERS {0, 1, 2, 3, 4, 5, 6, 7}
#elif LANES == 16
#define EACH_LANE(x) {x, x, x, x, x, x, x, x, x, x, x, x, x, x, x, x}
#define LANE_NUMBERS {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}
#else
#error "LEGRAD_LANES is 4, 8 or 16"
#endif

INLINE vfloat splat(float x) { return (vfloat)EACH_LANE(x); }
INLINE vint splat_int(int32_t x) { return (vint)EACH_LANE(x); }
INLINE vword splat_word(uint32_t x) { return (vword)EACH_LANE(x); }

// Floats are read through pointers that promise no alignment: those of a file need not be aligned.
INLINE vfloat load(const void *from) {
  vfloat v;
  __builtin_memcpy(&v, from, sizeof v);
  return v;
}
INLINE void store(float *to, vfloat v) { __builtin_memcpy(to, &v, sizeof v); }

// The first `count` lanes, the rest zero; count < LANES.
INLINE vfloat load_part(const void *from, ptrdiff_t count) {
  vfloat v = splat(0);
  __builtin_memcpy(&v, from, (size_t)count * sizeof(float));
  return v;
}
INLINE void store_part(float *to, vfloat v, ptrdiff_t count) {
  __builtin_memcpy(to, &v, (size_t)count * sizeof(float));
}
INLINE vfloat load_up_to(const float *from, ptrdiff_t count) {
  return count >= LANES ? load(from) : load_part(from, count);
}
INLINE void store_up_to(float *to, vfloat v, ptrdiff_t count) {
  if (count >= LANES) store(to, v);
  else store_part(to, v, count);
}

INLINE quad load_quad(const void *from) {
  quad v;
  __builtin_memcpy(&v, from, sizeof v);
  return v;
}
INLINE void store_quad(float *to, quad v) { __builtin_memcpy(to, &v, sizeof v); }

// a * b + c
INLINE vfloat multiply_add(vfloat a, vfloat b, vfloat c) {
#if LEGRAD_FMA
  return __builtin_elementwise_fma(a, b, c);
#else
  return a * b + c;
#endif
}

INLINE vfloat choose(vint mask, vfloat a, vfloat b) { return (vfloat)((mask & (vint)a) | (~mask & (vint)b)); }

// The larger lane; a NaN in `a` stays, so that a broken value is seen in the result.
INLINE vfloat larger(vfloat a, vfloat b) { return choose(a < b, b, a); }

INLINE float sum_of_lanes(vfloat v) {
  float lanes[LANES];
  store(lanes, v);
  for (int width = LANES / 2; width > 0; width /= 2)
    for (int i = 0; i < width; i++) lanes[i] += lanes[i + width];
  return lanes[0];
}

INLINE float largest_of_lanes(vfloat v) {
  float largest = v[0];
  for (int i = 1; i < LANES; i++) largest = largest < v[i] || v[i] != v[i] ? v[i] : largest;
  return largest;
}

// Shuffles inside each group of four lanes, the same in every group.
#if LANES == 4
#define SHUFFLE_QUADS(a, b, i, j, k, l) __builtin_shufflevector(a, b, i, j, k, l)
#define FROM_B 4
#elif LANES == 8
#define SHUFFLE_QUADS(a, b, i, j, k, l) \
  __builtin_shufflevector(a, b, i, j, k, l, i + 4, j + 4, k + 4, l + 4)
#define FROM_B 8
#else
#define SHUFFLE_QUADS(a, b, i, j, k, l)                                                             \
  __builtin_shufflevector(                                                                          \
      a, b, i, j, k, l, i + 4, j + 4, k + 4, l + 4, i + 8, j + 8, k + 8, l + 8, i + 12, j + 12, k + 12, l + 12)
#define FROM_B 16
#endif

// Lanes of `a` and `b` in turn: of their lower halves, and of their upper ones.
INLINE vword interleave_low(vword a, vword b) {
#if LANES == 4
  return __builtin_shufflevector(a, b, 0, 4, 1, 5);
#elif LANES == 8
  return __builtin_shufflevector(a, b, 0, 8, 1, 9, 2, 10, 3, 11);
#else
  return __builtin_shufflevector(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
#endif
}
INLINE vword interleave_high(vword a, vword b) {
#if LANES == 4
  return __builtin_shufflevector(a, b, 2, 6, 3, 7);
#elif LANES == 8
  return __builtin_shufflevector(a, b, 4, 12, 5, 13, 6, 14, 7, 15);
#else
  return __builtin_shufflevector(a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
#endif
}

// Four floats from each of the rows `from`, `from + 4 * stride`, …
INLINE vfloat load_quads(const float *from, ptrdiff_t stride) {
#if LANES == 4
  (void)stride;
  return load_quad(from);
#else
  typedef float octet __attribute__((vector_size(32)));
  const octet low = __builtin_shufflevector(load_quad(from), load_quad(from + 4 * stride), 0, 1, 2, 3, 4, 5, 6, 7);
#if LANES == 8
  return low;
#else
  const octet high =
      __builtin_shufflevector(load_quad(from + 8 * stride), load_quad(from + 12 * stride), 0, 1, 2, 3, 4, 5, 6, 7);
  return __builtin_shufflevector(low, high, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
#endif
#endif
}

// Turns the squares of four lanes: lane 4 q + j of turned[i] is lane 4 q + i of rows[j].
INLINE void transpose_quads(const vfloat rows[4], vfloat turned[4]) {
  const vfloat low01 = SHUFFLE_QUADS(rows[0], rows[1], 0, FROM_B, 1, FROM_B + 1);
  const vfloat high01 = SHUFFLE_QUADS(rows[0], rows[1], 2, FROM_B + 2, 3, FROM_B + 3);
  const vfloat low23 = SHUFFLE_QUADS(rows[2], rows[3], 0, FROM_B, 1, FROM_B + 1);
  const vfloat high23 = SHUFFLE_QUADS(rows[2], rows[3], 2, FROM_B + 2, 3, FROM_B + 3);
  turned[0] = SHUFFLE_QUADS(low01, low23, 0, 1, FROM_B, FROM_B + 1);
  turned[1] = SHUFFLE_QUADS(low01, low23, 2, 3, FROM_B + 2, FROM_B + 3);
  turned[2] = SHUFFLE_QUADS(high01, high23, 0, 1, FROM_B, FROM_B + 1);
  turned[3] = SHUFFLE_QUADS(high01, high23, 2, 3, FROM_B + 2, FROM_B + 3);
}

// Four columns of LANES rows become four vectors.
INLINE void transpose_columns(const float *from, ptrdiff_t stride, vfloat columns[4]) {
  const vfloat rows[4] = {
      load_quads(from, stride), load_quads(from + stride, stride), load_quads(from + 2 * stride, stride),
      load_quads(from + 3 * stride, stride)};
  transpose_quads(rows, columns);
}

// to[c][r] = from[r][c] for `rows` ≤ LANES rows and `columns` columns; lanes past `rows` become zero. Reads
// nothing outside the rows.
INLINE void transpose_strip(
    const float *from, ptrdiff_t stride, ptrdiff_t rows, ptrdiff_t columns, float *to, ptrdiff_t to_stride) {
  ptrdiff_t c = 0;
  if (rows >= LANES) {
    for (; c + 4 <= columns; c += 4) {
      vfloat v[4];
      transpose_columns(from + c, stride, v);
      for (int i = 0; i < 4; i++) store(to + (c + i) * to_stride, v[i]);
    }
  }
  for (; c < columns; c++)
    for (ptrdiff_t r = 0; r < LANES; r++) {
      to[c * to_stride + r] = 0;
      if (r < rows) __builtin_memcpy(to + c * to_stride + r, (const void *)(from + r * stride + c), sizeof(float));
    }
}
