// What attention and its relevance on matrix units share: rows of heads in local memory, as one bfloat16 part or as two,
// and maps of their products. A program is what matrix_tiles.cl says.
//
//   map [TILE_M][TILE_N] = left · rightᵀ                  sums [TILE_M][HEAD_WIDTH] += map · right
//
//                  right: TILE_N rows                                   right: TILE_N rows
//                 ┌────┬────┬─ … ──┐                                   ┌────┬────┬─ … ──┐
//   left: TILE_M  │ ▪  │ ▪  │      │                  map, as parts:   │ ▪  │ ▪  │ ▪    │
//   rows          ├────┼────┼─ … ──┤                                   ├────┼────┼─ … ──┤
//                 │    │    │      │                                   │    │    │      │
//
// WARPS_M × WARPS_N warps. Each has 16 rows and every WARPS_N-th of their squares of 16 × 16 (▪), the last one once more
// where there are too few. Rows and columns past a matrix's end are zeros in local memory.

#ifndef HEAD_WIDTH
#define HEAD_WIDTH 64  // Of a head's columns, the next multiple of 16.
#endif

#define ITEMS (WARP * WARPS_M * WARPS_N)
// Chunks of a row in local memory, which are an odd number: of a head's columns, and of a map's.
#define HEAD_CHUNKS (HEAD_WIDTH / 8 + 1)
#define MAP_CHUNKS (TILE_N / 8 + 1)
// All parts of a tile, in chunks, and from one part to the next, in elements.
#define ROWS_TILE(rows) (PARTS * (rows) * HEAD_CHUNKS)
#define ROWS_PART(rows) ((rows) * HEAD_CHUNKS * 8)
// Squares of a warp in a map, and in the sums.
#define MAP_SQUARES ((TILE_N / 16 + WARPS_N - 1) / WARPS_N)
#define HEAD_SQUARES ((HEAD_WIDTH / 16 + WARPS_N - 1) / WARPS_N)
#if WARPS_M * 16 != TILE_M || TILE_N % 16 != 0 || HEAD_WIDTH % 16 != 0 || ITEMS % TILE_M != 0
#error "these tiles do not divide among the items"
#endif

// This item's lane, the first row of its warp in a tile, and the first of its squares.
#define LANE (get_local_id(0) % WARP)
#define WARP_ROW (get_local_id(0) / WARP / WARPS_N * 16)
#define WARP_SQUARE (get_local_id(0) / WARP % WARPS_N)

// Chunks that an item brings in one go.
#define BROUGHT 4

// tile[row][column] = from[row][column] as parts, `tile_rows` rows; zeros past `count` rows, of which there is one at
// least, and `width` columns. With WHOLE, `width` is a multiple of 8.
INLINE void stage_rows(
    __global const float *from, uint stride, uint count, uint width, const uint tile_rows, __local ushort *tile) {
  const uint chunks = tile_rows * (HEAD_WIDTH / 8);
  for (uint first = get_local_id(0); first < chunks; first += BROUGHT * ITEMS) {
    float4 low[BROUGHT], high[BROUGHT];
    UNROLL_INSTRUCTIONS for (uint i = 0; i < BROUGHT; i++) {
      const uint chunk = first + i * ITEMS, row = chunk / (HEAD_WIDTH / 8), column = chunk % (HEAD_WIDTH / 8) * 8;
      low[i] = high[i] = (float4)(0.0f);
      if (row >= count || column >= width) continue;
      low[i] = row_quad(from + (ulong)row * stride, column, width);
      high[i] = row_quad(from + (ulong)row * stride, column + 4, width);
    }
    UNROLL_INSTRUCTIONS for (uint i = 0; i < BROUGHT; i++) {
      const uint chunk = first + i * ITEMS;
      if (chunk < chunks)
        put_chunk(
            low[i], high[i], tile + chunk_at(chunk / (HEAD_WIDTH / 8), chunk % (HEAD_WIDTH / 8), HEAD_CHUNKS),
            ROWS_PART(tile_rows));
    }
  }
}

// sums += a · b of their parts. The small products first: their sums lose less.
INLINE void multiply_add_parts(
    float sums[SUMS], uint a[PARTS][LEFT_WORDS], uint b[PARTS][RIGHT_WORDS], __local uint *exchange) {
  UNROLL_INSTRUCTIONS for (uint i = PARTS == 2 ? 0 : 2; i < 3; i++) multiply_add(sums, a[i == 1], b[i == 0], exchange);
}

// map = left · rightᵀ, for this warp's squares; all work-items of the group come here together.
INLINE void multiply_rows(
    float map[MAP_SQUARES][SUMS], __local const ushort *left, __local const ushort *right, __local uint *exchange) {
  UNROLL_INSTRUCTIONS for (uint j = 0; j < MAP_SQUARES; j++)
    UNROLL_INSTRUCTIONS for (uint e = 0; e < SUMS; e++) map[j][e] = 0.0f;
  UNROLL_INSTRUCTIONS for (uint chunk = 0; chunk < HEAD_WIDTH / 8; chunk += 2) {
    uint a[PARTS][LEFT_WORDS];
    UNROLL_INSTRUCTIONS for (uint part = 0; part < PARTS; part++)
      load_left(a[part], left + part * ROWS_PART(TILE_M), WARP_ROW, chunk, HEAD_CHUNKS, exchange);
    UNROLL_INSTRUCTIONS for (uint j = 0; j < MAP_SQUARES; j++) {
      const uint square = min((uint)(WARP_SQUARE + j * WARPS_N), (uint)(TILE_N / 16 - 1));
      uint b[PARTS][RIGHT_WORDS];
      UNROLL_INSTRUCTIONS for (uint part = 0; part < PARTS; part++)
        load_right(b[part], right + part * ROWS_PART(TILE_N), square * 16, chunk, HEAD_CHUNKS, exchange);
      multiply_add_parts(map[j], a, b, exchange);
    }
  }
}

// sums += map · right, likewise; of the map there are parts.
INLINE void add_rows(
    float sums[HEAD_SQUARES][SUMS], __local const ushort *map, __local const ushort *right, __local uint *exchange) {
  UNROLL_INSTRUCTIONS for (uint chunk = 0; chunk < TILE_N / 8; chunk += 2) {
    uint a[PARTS][LEFT_WORDS];
    UNROLL_INSTRUCTIONS for (uint part = 0; part < PARTS; part++)
      load_left(a[part], map + part * TILE_M * MAP_CHUNKS * 8, WARP_ROW, chunk, MAP_CHUNKS, exchange);
    UNROLL_INSTRUCTIONS for (uint j = 0; j < HEAD_SQUARES; j++) {
      const uint square = min((uint)(WARP_SQUARE + j * WARPS_N), (uint)(HEAD_WIDTH / 16 - 1));
      uint b[PARTS][RIGHT_WORDS];
      UNROLL_INSTRUCTIONS for (uint part = 0; part < PARTS; part++)
        load_right_turned(b[part], right + part * ROWS_PART(TILE_N), square * 16, chunk, HEAD_CHUNKS, exchange);
      multiply_add_parts(sums[j], a, b, exchange);
    }
  }
}
