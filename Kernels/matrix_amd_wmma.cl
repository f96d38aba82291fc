// The matrix units of AMD's RDNA 3 (gfx11) in groups of 32 lanes. Both halves of a group hold the same operands.
//
//   left, word w:  row lane % 16,    k = 2 w and the next
//   right, word w: column lane % 16, k = 2 w and the next
//   sum e:         row 2 e + lane / 16, column lane % 16

#define WARP 32
#define LEFT_WORDS 8
#define RIGHT_WORDS 8
#define SUMS 8
#define HAS_COPIES 0
#define EXCHANGED 16

INLINE uint sum_row(uint lane, uint e) { return 2 * e + lane / 16; }
INLINE uint sum_column(uint lane, uint e) { return lane % 16; }
INLINE uint pair_of(float low, float high) { return plain_pair(low, high); }

// Eight words that lie together in a row of a tile.
INLINE void load_sixteen(uint to[8], __local const ushort *tile, uint row, uint chunk, uint chunks) {
#pragma unroll
  for (uint i = 0; i < 2; i++) {
    const uint4 words = *(__local const uint4 *)(tile + chunk_at(row, chunk + i, chunks));
    to[4 * i] = words.x;
    to[4 * i + 1] = words.y;
    to[4 * i + 2] = words.z;
    to[4 * i + 3] = words.w;
  }
}

INLINE void load_left(
    uint to[LEFT_WORDS], __local const ushort *tile, uint row, uint chunk, uint chunks, __local uint *exchange) {
  load_sixteen(to, tile, row + get_local_id(0) % 16, chunk, chunks);
}

INLINE void load_right(
    uint to[RIGHT_WORDS], __local const ushort *tile, uint column, uint chunk, uint chunks, __local uint *exchange) {
  load_sixteen(to, tile, column + get_local_id(0) % 16, chunk, chunks);
}

INLINE void load_right_turned(
    uint to[RIGHT_WORDS], __local const ushort *tile, uint column, uint chunk, uint chunks, __local uint *exchange) {
  const uint own = column + get_local_id(0) % 16;
#pragma unroll
  for (uint i = 0; i < 8; i++) {
    const uint k = chunk * 8 + 2 * i;
    to[i] = tile[chunk_at(k, own / 8, chunks) + own % 8] | (uint)tile[chunk_at(k + 1, own / 8, chunks) + own % 8] << 16;
  }
}

#if PLAIN
INLINE void multiply_add(float sums[SUMS], const uint a[LEFT_WORDS], const uint b[RIGHT_WORDS], __local uint *exchange) {
  const uint lane = get_local_id(0) % WARP;
  uint own[16];
  for (uint i = 0; i < 8; i++) {
    own[i] = a[i];
    own[8 + i] = b[i];
  }
  __local const uint *all = exchange_words(exchange, WARP, own, 16);
  for (uint e = 0; e < SUMS; e++) {
    const uint row = 2 * e + lane / 16, column = lane % 16;
    for (uint k = 0; k < 16; k++) {
      // The instruction may read either half's copy.
      const uint half_group = k % 2 * 16;
      const float left = element_of(all[16 * (half_group + row) + k / 2], k % 2);
      sums[e] = fma(left, element_of(all[16 * (half_group + column) + 8 + k / 2], k % 2), sums[e]);
    }
  }
}
#else
#if STORAGE == 1
#pragma OPENCL EXTENSION cl_khr_fp16 : enable
#define AS_OPERAND as_half16
#define INSTRUCTION __builtin_amdgcn_wmma_f32_16x16x16_f16_w32
#else
#define AS_OPERAND as_short16
#define INSTRUCTION __builtin_amdgcn_wmma_f32_16x16x16_bf16_w32
#endif
INLINE void multiply_add(float sums[SUMS], const uint a[LEFT_WORDS], const uint b[RIGHT_WORDS], __local uint *exchange) {
  const uint8 left = (uint8)(a[0], a[1], a[2], a[3], a[4], a[5], a[6], a[7]);
  const uint8 right = (uint8)(b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7]);
  const float8 s = (float8)(sums[0], sums[1], sums[2], sums[3], sums[4], sums[5], sums[6], sums[7]);
  vstore8(INSTRUCTION(AS_OPERAND(left), AS_OPERAND(right), s), 0, sums);
}
#endif
