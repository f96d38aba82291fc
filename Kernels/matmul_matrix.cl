// output = epilogue(left · right), as in matmul.cl, on matrix units: products of 16-bit parts, sums in float32. A program is
// what matrix_tiles.cl says; the instructions are behind the functions of one vendor's file.
//
// The left operand is float32 and becomes parts on its way to local memory, the weight has them in memory
// (pack_weight.cl):
//
//   STORAGE 1, 2   left · right of the rounded operands; rows of float16 are first brought into its range
//   STORAGE 3      left₁ · right₂ + left₂ · right₁ + left₁ · right₁, where x = x₁ + x₂ to 16 bits: nearly float32
//
//            TILE_N columns        A work-group of WARPS_M × WARPS_N warps computes a tile, a warp squares of 16 × 16 of
//         ┌───┬───┬───┬───┐        it (▪). The steps of TILE_K are in local memory twice: while warps multiply one, the
//         │▪▪ │▪▪ │▪▪ │▪▪ │        next one is on its way, the weight by asynchronous copies where there are such. Each
//  TILE_M │▪▪ │▪▪ │▪▪ │▪▪ │        sum goes over ascending k, 16 at a time, whatever the tile's sizes.
//         ├───┼───┼───┼───┤
//         │▪▪ │▪▪ │▪▪ │▪▪ │        The weight is filled up with zeros to whole tiles; the left operand is read as 0
//         └───┴───┴───┴───┘        beyond the depth, and beyond the rows as the last row, whose sums nobody stores.

#define ITEMS (WARP * WARPS_M * WARPS_N)
#define CHUNKS_K (TILE_K / 8)
#define CHUNKS_N (TILE_N / 8)
#define WARP_M (TILE_M / WARPS_M)
#define WARP_N (TILE_N / WARPS_N)
#define SQUARES_M (WARP_M / 16)
#define SQUARES_N (WARP_N / 16)
// The left operand's chunks that an item brings; where a step has fewer than there are items, some bring none.
#define LEFT_CHUNKS ((TILE_M * CHUNKS_K + ITEMS - 1) / ITEMS)
#define RIGHT_CHUNKS (TILE_N * CHUNKS_K / ITEMS)
// Chunks of a row of the right tile: of k, or of columns where the weight's rows are k.
#define RIGHT_ROW (SIDE_INPUTS ? CHUNKS_N : CHUNKS_K)
#if SIDE_INPUTS
#define LOAD_RIGHT load_right_turned
#else
#define LOAD_RIGHT load_right
#endif
// Elements of one part of a tile, and of all that one step has.
#define LEFT_TILE (TILE_M * TILE_K)
#define RIGHT_TILE (TILE_N * TILE_K)
#define STAGE (PARTS * (LEFT_TILE + RIGHT_TILE))
// A row of squares of all warps, in floats: rows are longer than they need to be so that stores spread over the banks.
#define PITCH (TILE_N + 8)
#define STRIP (16 * WARPS_M * PITCH)
#define LOCAL_QUADS (STAGE / 4 > STRIP / 4 ? STAGE / 4 : STRIP / 4)
#if (LEFT_CHUNKS > 1 && LEFT_CHUNKS * ITEMS != TILE_M * CHUNKS_K) || RIGHT_CHUNKS * ITEMS != TILE_N * CHUNKS_K || ITEMS % RIGHT_ROW != 0 || \
    SQUARES_M * 16 * WARPS_M != TILE_M || SQUARES_N * 16 * WARPS_N != TILE_N || TILE_K % 16 != 0 || ITEMS % TILE_M != 0
#error "these tiles do not divide among the items"
#endif

// What one item brings of every step.
typedef struct {
  __global const float *rows[LEFT_CHUNKS], *scales[LEFT_CHUNKS];
  __global const ushort *weight;
  uint weight_step;  // from one of an item's chunks to the next
  ulong part_step;   // from a weight's part to the next
  float4 low[LEFT_CHUNKS], high[LEFT_CHUNKS];
#if !HAS_COPIES
  uint4 right[PARTS * RIGHT_CHUNKS];
#endif
} delivery;

INLINE float4 left_quad(const delivery *d, uint i, uint k, uint depth) {
  const float4 quad = row_quad(d->rows[i], k, depth);
  return SCALED ? quad * row_quad(d->scales[i], k, depth) : quad;
}

// Reads the chunks of the left operand's step at k.
INLINE void fetch_left(delivery *d, uint k, uint depth) {
#pragma unroll
  for (uint i = 0; i < LEFT_CHUNKS; i++) {
    d->low[i] = left_quad(d, i, k, depth);
    d->high[i] = left_quad(d, i, k + 4, depth);
  }
}

// Where an item's chunk `i` of the right tile lies in it.
INLINE uint right_at(uint item, uint i) {
  const uint chunk = item + i * ITEMS;
  return chunk_at(chunk / RIGHT_ROW, chunk % RIGHT_ROW, RIGHT_ROW);
}

// Reads the weight's next step, or has it copied to where it goes.
INLINE void fetch_right(delivery *d, uint item, __local ushort *tiles, uint padded_inputs) {
#pragma unroll
  for (uint part = 0; part < PARTS; part++) {
#pragma unroll
    for (uint i = 0; i < RIGHT_CHUNKS; i++) {
      __global const ushort *from = d->weight + part * d->part_step + i * d->weight_step;
#if HAS_COPIES
      copy_chunk(tiles + PARTS * LEFT_TILE + part * RIGHT_TILE + right_at(item, i), from);
#else
      d->right[part * RIGHT_CHUNKS + i] = *(__global const uint4 *)from;
#endif
    }
  }
  d->weight += SIDE_INPUTS ? TILE_K * padded_inputs : TILE_K;
}

// Puts what was fetched into the tiles, the left operand as its parts.
INLINE void put(const delivery *d, uint item, __local ushort *tiles, __local const float *factors) {
#pragma unroll
  for (uint i = 0; i < LEFT_CHUNKS; i++) {
    const uint chunk = item + i * ITEMS, row = chunk / CHUNKS_K;
    if (LEFT_CHUNKS * ITEMS > TILE_M * CHUNKS_K && row >= TILE_M) continue;
    float4 low = d->low[i], high = d->high[i];
#if STORAGE == 1
    low *= factors[row];
    high *= factors[row];
#endif
    put_chunk(low, high, tiles + chunk_at(row, chunk % CHUNKS_K, CHUNKS_K), LEFT_TILE);
  }
#if !HAS_COPIES
#pragma unroll
  for (uint part = 0; part < PARTS; part++)
#pragma unroll
    for (uint i = 0; i < RIGHT_CHUNKS; i++)
      *(__local uint4 *)(tiles + PARTS * LEFT_TILE + part * RIGHT_TILE + right_at(item, i)) =
          d->right[part * RIGHT_CHUNKS + i];
#endif
}

// A warp's sums go on over one step; `row` and `column` are its first of the tile.
INLINE void add_step(
    float sums[SQUARES_M][SQUARES_N][SUMS], __local const ushort *tiles, uint row, uint column,
    __local uint *exchange) {
  UNROLL_INSTRUCTIONS for (uint chunk = 0; chunk < CHUNKS_K; chunk += 2) {
    uint b[PARTS][SQUARES_N][RIGHT_WORDS];
    UNROLL_INSTRUCTIONS for (uint part = 0; part < PARTS; part++)
      UNROLL_INSTRUCTIONS for (uint j = 0; j < SQUARES_N; j++)
        LOAD_RIGHT(
            b[part][j], tiles + PARTS * LEFT_TILE + part * RIGHT_TILE, column + 16 * j, chunk, RIGHT_ROW, exchange);
    UNROLL_INSTRUCTIONS for (uint i = 0; i < SQUARES_M; i++) {
      uint a[PARTS][LEFT_WORDS];
      UNROLL_INSTRUCTIONS for (uint part = 0; part < PARTS; part++)
        load_left(a[part], tiles + part * LEFT_TILE, row + 16 * i, chunk, CHUNKS_K, exchange);
      // The small products first: their sums lose less. That of two second parts is below float32's last bit but seven.
#if PARTS == 2
      UNROLL_INSTRUCTIONS for (uint j = 0; j < SQUARES_N; j++) multiply_add(sums[i][j], a[0], b[1][j], exchange);
      UNROLL_INSTRUCTIONS for (uint j = 0; j < SQUARES_N; j++) multiply_add(sums[i][j], a[1], b[0][j], exchange);
#endif
      UNROLL_INSTRUCTIONS for (uint j = 0; j < SQUARES_N; j++) multiply_add(sums[i][j], a[0], b[0][j], exchange);
    }
  }
}

#if STORAGE == 1
// The power of two that brings a magnitude to 2¹⁴ … 2¹⁵, so that float16's range begins 2⁻²⁹ below a row's largest; its
// inverse is as exact. Of zeros, infinities and what is not a number any will do.
INLINE float factor_of(float peak) { return as_float(min(268 - (as_uint(peak) >> 23), 253u) << 23); }
INLINE float inverse_of(float factor) { return as_float((254 - (as_uint(factor) >> 23)) << 23); }

// Finds the factors of the tile's rows: some items for each row, then one. `peaks` is of ITEMS.
INLINE void find_factors(
    __global const float *row, __global const float *scale, uint depth, __local float *peaks, __local float *factors) {
  const uint item = get_local_id(0), share = ITEMS / TILE_M;
  float4 peak = (float4)(0.0f);
  for (uint k = item % share * 4; k < depth; k += share * 4) {
    const float4 quad = row_quad(row, k, depth);
    peak = fmax(peak, fabs(SCALED ? quad * row_quad(scale, k, depth) : quad));
  }
  peaks[item] = fmax(fmax(peak.x, peak.y), fmax(peak.z, peak.w));
  barrier(CLK_LOCAL_MEM_FENCE);
  if (item < TILE_M) {
    float largest = 0.0f;
    for (uint i = 0; i < share; i++) largest = fmax(largest, peaks[item * share + i]);
    factors[item] = factor_of(largest);
  }
  barrier(CLK_LOCAL_MEM_FENCE);
}
#endif

__attribute__((reqd_work_group_size(ITEMS, 1, 1))) SUB_GROUPS __kernel void matmul_matrix(
    INPUT(input), INPUT(scales), WEIGHT(weight), INPUT(bias), INPUT(residual), OUTPUT(output),
    OUTPUT(derivative), OUTPUT(slopes), const uint rows, const uint columns, const uint depth,
    const uint padded_inputs, const uint padded_outputs, const uint prompts, const uint tokens, const uint has_bias,
    const uint activation, const uint has_derivative, const uint has_slopes, const uint residual_rows) {
  __local uint4 quads[LOCAL_QUADS];
  __local ushort *tiles = (__local ushort *)quads;
  __local float *strip = (__local float *)quads;
  __local float factors[STORAGE == 1 ? TILE_M : 1];
  __local uint exchange[PLAIN ? ITEMS * EXCHANGED : 1];
  const uint item = get_local_id(0), lane = item % WARP, warp = item / WARP;
  const uint first_row = get_group_id(0) * TILE_M, first_column = get_group_id(1) * TILE_N;
  const uint warp_row = warp / WARPS_N * WARP_M, warp_column = warp % WARPS_N * WARP_N;

  GO_TO_WEIGHT
  delivery next;
  const uint item_k = item % CHUNKS_K * 8;
#pragma unroll
  for (uint i = 0; i < LEFT_CHUNKS; i++) {
    const uint row = min(first_row + (item + i * ITEMS) / CHUNKS_K, rows - 1);
    next.rows[i] = ROW(input, SCALED ? shared_row(row, prompts, tokens) : row);
    if (SCALED) next.scales[i] = ROW(scales, row / tokens);
  }
  const uint line = SIDE_INPUTS ? item / RIGHT_ROW : first_column + item / RIGHT_ROW;
  next.weight = (__global const ushort *)weight + (ulong)line * padded_inputs + (SIDE_INPUTS ? first_column : 0) + item % RIGHT_ROW * 8;
  next.weight_step = ITEMS / RIGHT_ROW * padded_inputs;
  next.part_step = (ulong)padded_outputs * padded_inputs;

#if STORAGE == 1
  {
    const uint row = min(first_row + item / (ITEMS / TILE_M), rows - 1);
    find_factors(
        ROW(input, SCALED ? shared_row(row, prompts, tokens) : row), ROW(scales, SCALED ? row / tokens : 0), depth, strip,
        factors);
  }
#endif

  float sums[SQUARES_M][SQUARES_N][SUMS];
#pragma unroll
  for (uint i = 0; i < SQUARES_M; i++)
#pragma unroll
    for (uint j = 0; j < SQUARES_N; j++)
#pragma unroll
      for (uint e = 0; e < SUMS; e++) sums[i][j][e] = 0.0f;

  fetch_right(&next, item, tiles, padded_inputs);
  fetch_left(&next, item_k, depth);
  put(&next, item, tiles, factors);
  uint stage = 0;
  for (uint k = 0; k < depth; k += TILE_K) {
#if HAS_COPIES
    wait_for_copies();
#endif
    barrier(CLK_LOCAL_MEM_FENCE);
    const uint other = STAGE - stage;
    const uint is_more = k + TILE_K < depth;
    if (is_more) {
      fetch_right(&next, item, tiles + other, padded_inputs);
      fetch_left(&next, k + TILE_K + item_k, depth);
    }
    add_step(sums, tiles + stage, warp_row, warp_column, exchange);
    if (is_more) put(&next, item, tiles + other, factors);
    stage = other;
  }

  GO_TO_OUTPUT
  // A square of every warp's rows at a time goes through local memory, so that neighbours store neighbours.
  const epilogue end = EPILOGUE;
#pragma unroll
  for (uint i = 0; i < SQUARES_M; i++) {
    barrier(CLK_LOCAL_MEM_FENCE);
#pragma unroll
    for (uint j = 0; j < SQUARES_N; j++)
#pragma unroll
      for (uint e = 0; e < SUMS; e++)
        strip[(warp / WARPS_N * 16 + sum_row(lane, e)) * PITCH + warp_column + 16 * j + sum_column(lane, e)] =
            sums[i][j][e];
    barrier(CLK_LOCAL_MEM_FENCE);
    for (uint e = item; e < 16 * WARPS_M * TILE_N; e += ITEMS) {
      const uint strip_row = e / TILE_N, tile_row = strip_row / 16 * WARP_M + i * 16 + strip_row % 16;
      if (first_row + tile_row >= rows) continue;
      float sum = strip[strip_row * PITCH + e % TILE_N];
#if STORAGE == 1
      sum *= inverse_of(factors[tile_row]);
#endif
      finish(&end, first_row + tile_row, first_column + e % TILE_N, sum);
    }
  }
}
