// The matrix units of Intel's GPUs (cl_intel_subgroup_matrix_multiply_accumulate) in sub-groups of WARP lanes, 16 or 8: an
// instruction is 8 rows by as many columns as there are lanes, 16 deep.
//
//   left, 16 lanes, word w: rows 2 w and the next, k = lane;   8 lanes, word w: row w, k = 2 lane and the next
//   right, word w:          column lane + w / 8 · 8 (of 8 lanes), k = w % 8 · 2 and the next
//   sum e:                  row e % 16, column lane + e / 16 · 8 (of 8 lanes)

#ifndef WARP
#define WARP 16
#endif
#define COLUMN_BLOCKS (16 / WARP)
#define LEFT_WORDS (8 * COLUMN_BLOCKS)
#define RIGHT_WORDS (8 * COLUMN_BLOCKS)
#define SUMS (16 * COLUMN_BLOCKS)
#define HAS_COPIES 0
#define EXCHANGED 16

INLINE uint sum_row(uint lane, uint e) { return e % 16; }
INLINE uint sum_column(uint lane, uint e) { return lane + e / 16 * 8; }
INLINE uint pair_of(float low, float high) { return plain_pair(low, high); }

INLINE void load_left(
    uint to[LEFT_WORDS], __local const ushort *tile, uint row, uint chunk, uint chunks, __local uint *exchange) {
  const uint lane = get_local_id(0) % WARP;
#pragma unroll
  for (uint i = 0; i < LEFT_WORDS; i++) {
#if WARP == 16
    __local const ushort *own = tile + lane % 8;
    to[i] = own[chunk_at(row + 2 * i, chunk + lane / 8, chunks)] |
            (uint)own[chunk_at(row + 2 * i + 1, chunk + lane / 8, chunks)] << 16;
#else
    to[i] = *(__local const uint *)(tile + chunk_at(row + i, chunk + lane / 4, chunks) + lane % 4 * 2);
#endif
  }
}

INLINE void load_right(
    uint to[RIGHT_WORDS], __local const ushort *tile, uint column, uint chunk, uint chunks, __local uint *exchange) {
#pragma unroll
  for (uint block = 0; block < COLUMN_BLOCKS; block++) {
    const uint own = column + block * 8 + get_local_id(0) % WARP;
#pragma unroll
    for (uint i = 0; i < 2; i++) {
      const uint4 words = *(__local const uint4 *)(tile + chunk_at(own, chunk + i, chunks));
      to[8 * block + 4 * i] = words.x;
      to[8 * block + 4 * i + 1] = words.y;
      to[8 * block + 4 * i + 2] = words.z;
      to[8 * block + 4 * i + 3] = words.w;
    }
  }
}

INLINE void load_right_turned(
    uint to[RIGHT_WORDS], __local const ushort *tile, uint column, uint chunk, uint chunks, __local uint *exchange) {
#pragma unroll
  for (uint block = 0; block < COLUMN_BLOCKS; block++) {
    const uint own = column + block * 8 + get_local_id(0) % WARP;
#pragma unroll
    for (uint i = 0; i < 8; i++) {
      const uint k = chunk * 8 + 2 * i;
      to[8 * block + i] =
          tile[chunk_at(k, own / 8, chunks) + own % 8] | (uint)tile[chunk_at(k + 1, own / 8, chunks) + own % 8] << 16;
    }
  }
}

#if PLAIN
// Eight rows by WARP columns; `a` is half of a left fragment.
INLINE void multiply_add_eight_rows(float sums[8], const uint *a, const uint b[8], __local uint *exchange) {
  const uint lane = get_local_id(0) % WARP;
  uint own[16];
  for (uint i = 0; i < 8; i++) {
    own[i] = i < LEFT_WORDS / 2 ? a[i] : 0;
    own[8 + i] = b[i];
  }
  __local const uint *all = exchange_words(exchange, WARP, own, 16);
  for (uint row = 0; row < 8; row++) {
    for (uint k = 0; k < 16; k++) {
#if WARP == 16
      const float left = element_of(all[16 * k + row / 2], row % 2);
#else
      const float left = element_of(all[16 * (k / 2) + row], k % 2);
#endif
      sums[row] = fma(left, element_of(all[16 * lane + 8 + k / 2], k % 2), sums[row]);
    }
  }
}
#else
#if STORAGE == 1
#define INSTRUCTION intel_sub_group_f16_f16_matrix_mad_k16
#else
#define INSTRUCTION intel_sub_group_bf16_bf16_matrix_mad_k16
#endif
#if WARP == 16
#define LEFT_OPERAND short8
#define AS_LEFT(a) as_short8((uint4)((a)[0], (a)[1], (a)[2], (a)[3]))
#else
#define LEFT_OPERAND int8
#define AS_LEFT(a) (int8)((a)[0], (a)[1], (a)[2], (a)[3], (a)[4], (a)[5], (a)[6], (a)[7])
#endif
#ifndef cl_intel_subgroup_matrix_multiply_accumulate
// Some of its compilers have the function and do not declare it.
__attribute__((overloadable)) float8 INSTRUCTION(LEFT_OPERAND a, int8 b, float8 sums);
#endif
INLINE void multiply_add_eight_rows(float sums[8], const uint *a, const uint b[8], __local uint *exchange) {
  const int8 right = (int8)(b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7]);
  vstore8(INSTRUCTION(AS_LEFT(a), right, vload8(0, sums)), 0, sums);
}
#endif

INLINE void multiply_add(float sums[SUMS], const uint a[LEFT_WORDS], const uint b[RIGHT_WORDS], __local uint *exchange) {
#pragma unroll
  for (uint block = 0; block < COLUMN_BLOCKS; block++) {
    multiply_add_eight_rows(sums + 16 * block, a, b + 8 * block, exchange);
    multiply_add_eight_rows(sums + 16 * block + 8, a + LEFT_WORDS / 2, b + 8 * block, exchange);
  }
}
