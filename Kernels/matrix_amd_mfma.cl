// The matrix units of AMD's CDNA 2 and 3 (gfx90a, gfx942) in groups of 64 lanes.
//
//   left, word w:  row lane % 16,    k = lane / 16 · 4 + 2 w and the next
//   right, word w: column lane % 16, k = lane / 16 · 4 + 2 w and the next
//   sum e:         row lane / 16 · 4 + e, column lane % 16

#define WARP 64
#define LEFT_WORDS 2
#define RIGHT_WORDS 2
#define SUMS 4
#define HAS_COPIES 0
#define EXCHANGED 4

INLINE uint sum_row(uint lane, uint e) { return lane / 16 * 4 + e; }
INLINE uint sum_column(uint lane, uint e) { return lane % 16; }
INLINE uint pair_of(float low, float high) { return plain_pair(low, high); }

// Two words that lie together in a row of a tile.
INLINE void load_four(uint to[2], __local const ushort *tile, uint row, uint chunk, uint chunks) {
  const uint quad = get_local_id(0) % WARP / 16;
  const uint2 words = *(__local const uint2 *)(tile + chunk_at(row, chunk + quad / 2, chunks) + quad % 2 * 4);
  to[0] = words.x;
  to[1] = words.y;
}

INLINE void load_left(
    uint to[LEFT_WORDS], __local const ushort *tile, uint row, uint chunk, uint chunks, __local uint *exchange) {
  load_four(to, tile, row + get_local_id(0) % 16, chunk, chunks);
}

INLINE void load_right(
    uint to[RIGHT_WORDS], __local const ushort *tile, uint column, uint chunk, uint chunks, __local uint *exchange) {
  load_four(to, tile, column + get_local_id(0) % 16, chunk, chunks);
}

INLINE void load_right_turned(
    uint to[RIGHT_WORDS], __local const ushort *tile, uint column, uint chunk, uint chunks, __local uint *exchange) {
  const uint own = column + get_local_id(0) % 16;
#pragma unroll
  for (uint i = 0; i < 2; i++) {
    const uint k = chunk * 8 + get_local_id(0) % WARP / 16 * 4 + 2 * i;
    to[i] = tile[chunk_at(k, own / 8, chunks) + own % 8] | (uint)tile[chunk_at(k + 1, own / 8, chunks) + own % 8] << 16;
  }
}

#if PLAIN
INLINE void multiply_add(float sums[SUMS], const uint a[LEFT_WORDS], const uint b[RIGHT_WORDS], __local uint *exchange) {
  const uint lane = get_local_id(0) % WARP, own[4] = {a[0], a[1], b[0], b[1]};
  __local const uint *all = exchange_words(exchange, WARP, own, 4);
  for (uint e = 0; e < SUMS; e++) {
    const uint row = lane / 16 * 4 + e, column = lane % 16;
    for (uint k = 0; k < 16; k++) {
      const uint from = k / 4 * 16, word = k % 4 / 2;
      const float left = element_of(all[4 * (from + row) + word], k % 2);
      sums[e] = fma(left, element_of(all[4 * (from + column) + 2 + word], k % 2), sums[e]);
    }
  }
}
#else
#if STORAGE == 1
#pragma OPENCL EXTENSION cl_khr_fp16 : enable
#define AS_OPERAND as_half4
#define INSTRUCTION __builtin_amdgcn_mfma_f32_16x16x16f16
#else
#define AS_OPERAND as_short4
#define INSTRUCTION __builtin_amdgcn_mfma_f32_16x16x16bf16_1k
#endif
INLINE void multiply_add(float sums[SUMS], const uint a[LEFT_WORDS], const uint b[RIGHT_WORDS], __local uint *exchange) {
  const float4 s = (float4)(sums[0], sums[1], sums[2], sums[3]);
  vstore4(INSTRUCTION(AS_OPERAND((uint2)(a[0], a[1])), AS_OPERAND((uint2)(b[0], b[1])), s, 0, 0, 0), 0, sums);
}
#endif
