// NVIDIA's tensor cores from compute capability 8.0 on: asynchronous copies, ldmatrix and mma.sync, in PTX. A square of
// 16 × 16 is two instructions of 16 × 8, 16 deep.
//
//   left, word w:  row lane / 4 + w % 2 · 8,    k = lane % 4 · 2 + w / 2 · 8 and the next
//   right, word w: column lane / 4 + w / 2 · 8, k = lane % 4 · 2 + w % 2 · 8 and the next
//   sum e:         row lane / 4 + e / 2 % 2 · 8, column lane % 4 · 2 + e % 2 + e / 4 · 8

#define WARP 32
#define LEFT_WORDS 4
#define RIGHT_WORDS 4
#define SUMS 8
#define HAS_COPIES 1
#define EXCHANGED 6  // words of an item that others read in a plain twin

INLINE uint sum_row(uint lane, uint e) { return lane / 4 + e / 2 % 2 * 8; }
INLINE uint sum_column(uint lane, uint e) { return lane % 4 * 2 + e % 2 + e / 4 * 8; }

#if PLAIN
INLINE void copy_chunk(__local ushort *to, __global const ushort *from) {
  for (uint i = 0; i < 8; i++) to[i] = from[i];
}
INLINE void wait_for_copies(void) {}
INLINE uint pair_of(float low, float high) { return plain_pair(low, high); }

// Four matrices of 8 × 8, of which lane 8 i + r says where row r of matrix i lies.
INLINE void load_matrices(uint to[4], __local const ushort *tile, uint row, __local uint *exchange) {
  const uint lane = get_local_id(0) % WARP;
  __local const uint *rows = exchange_words(exchange, WARP, &row, 1);
  for (uint i = 0; i < 4; i++) {
    __local const ushort *from = tile + rows[8 * i + lane / 4] + lane % 4 * 2;
    to[i] = from[0] | (uint)from[1] << 16;
  }
}
// The same, each matrix turned.
INLINE void load_turned_matrices(uint to[4], __local const ushort *tile, uint row, __local uint *exchange) {
  const uint lane = get_local_id(0) % WARP;
  __local const uint *rows = exchange_words(exchange, WARP, &row, 1);
  for (uint i = 0; i < 4; i++) {
    const uint pair = 8 * i + lane % 4 * 2;
    to[i] = tile[rows[pair] + lane / 4] | (uint)tile[rows[pair + 1] + lane / 4] << 16;
  }
}

INLINE void multiply_add_eight_columns(float sums[4], const uint a[4], const uint b[2], __local uint *exchange) {
  const uint lane = get_local_id(0) % WARP, own[6] = {a[0], a[1], a[2], a[3], b[0], b[1]};
  __local const uint *all = exchange_words(exchange, WARP, own, 6);
  for (uint e = 0; e < 4; e++) {
    const uint row = lane / 4 + e / 2 * 8, column = lane % 4 * 2 + e % 2;
    for (uint k = 0; k < 16; k++) {
      const uint from = k % 8 / 2, upper = k / 8;
      const float left = element_of(all[6 * (row % 8 * 4 + from) + row / 8 + 2 * upper], k % 2);
      sums[e] = fma(left, element_of(all[6 * (column * 4 + from) + 4 + upper], k % 2), sums[e]);
    }
  }
}
#else
#if STORAGE == 1
#define KIND "f16"
#else
#define KIND "bf16"
#endif

// A place in local memory as PTX has it.
INLINE uint place_of(__local const ushort *at) { return (uint)(ulong)at; }

INLINE void copy_chunk(__local ushort *to, __global const ushort *from) {
  __asm__ volatile("cp.async.cg.shared.global [%0], [%1], 16;" ::"r"(place_of(to)), "l"(from) : "memory");
}
INLINE void wait_for_copies(void) { __asm__ volatile("cp.async.wait_all;" ::: "memory"); }
INLINE uint pair_of(float low, float high) {
  uint pair;
  __asm__("cvt.rn." KIND "x2.f32 %0, %1, %2;" : "=r"(pair) : "f"(high), "f"(low));
  return pair;
}

#define LOAD_MATRICES(how)                                                              \
  __asm__ volatile("ldmatrix.sync.aligned.m8n8.x4" how ".shared.b16 {%0,%1,%2,%3}, [%4];" \
                   : "=r"(to[0]), "=r"(to[1]), "=r"(to[2]), "=r"(to[3])                 \
                   : "r"(place_of(tile + row))                                          \
                   : "memory")
INLINE void load_matrices(uint to[4], __local const ushort *tile, uint row, __local uint *exchange) {
  LOAD_MATRICES("");
}
INLINE void load_turned_matrices(uint to[4], __local const ushort *tile, uint row, __local uint *exchange) {
  LOAD_MATRICES(".trans");
}

INLINE void multiply_add_eight_columns(float sums[4], const uint a[4], const uint b[2], __local uint *exchange) {
  __asm__("mma.sync.aligned.m16n8k16.row.col.f32." KIND "." KIND ".f32 "
          "{%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
          : "+f"(sums[0]), "+f"(sums[1]), "+f"(sums[2]), "+f"(sums[3])
          : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}
#endif

INLINE void load_left(
    uint to[LEFT_WORDS], __local const ushort *tile, uint row, uint chunk, uint chunks, __local uint *exchange) {
  const uint lane = get_local_id(0) % WARP;
  load_matrices(to, tile, chunk_at(row + lane % 16, chunk + lane / 16, chunks), exchange);
}

INLINE void load_right(
    uint to[RIGHT_WORDS], __local const ushort *tile, uint column, uint chunk, uint chunks, __local uint *exchange) {
  const uint lane = get_local_id(0) % WARP;
  load_matrices(to, tile, chunk_at(column + lane / 16 * 8 + lane % 8, chunk + lane / 8 % 2, chunks), exchange);
}

INLINE void load_right_turned(
    uint to[RIGHT_WORDS], __local const ushort *tile, uint column, uint chunk, uint chunks, __local uint *exchange) {
  const uint lane = get_local_id(0) % WARP;
  load_turned_matrices(to, tile, chunk_at(chunk * 8 + lane % 16, column / 8 + lane / 16, chunks), exchange);
}

INLINE void multiply_add(float sums[SUMS], const uint a[LEFT_WORDS], const uint b[RIGHT_WORDS], __local uint *exchange) {
  multiply_add_eight_columns(sums, a, b, exchange);
  multiply_add_eight_columns(sums + 4, a, b + 2, exchange);
}
