// What the portable variants of attention share: products of a head's matrices (queries, keys, values or a gradient)
// between the tiles of a work-group. Their programs are common.cl, this file and their own.
//
//   map [64][32] = left · rightᵀ                          sums [64][HEAD_WIDTH] += map · right
//
//                  right: 32 rows, turned                               right: 32 rows as they are
//                 ┌────┬────┬─ … ──┐                                   ┌────┬────┬─ … ──┐
//   left,         │    │    │      │ one column            map,        │    │    │      │ one row
//   turned:  ┌──┐ ├────┼────┼─ … ──┤                       turned ┌──┐ ├────┼────┼─ … ──┤
//   64 rows  │4 │ │4x4 │    │      │                              │4 │ │4xW │    │      │
//            ├──┤ ├────┼────┼─ … ──┤                              ├──┤ ├────┼────┼─ … ──┤
//            │… │ │    │    │      │                              │… │ │    │    │      │
//
// 16 rows of 8 work-items. Each holds 4 x 4 elements of a map in registers, and of the sums 4 rows of
// W = HEAD_WIDTH / 8 columns: a vector of 4 from each operand serves 16 multiply-adds. Rows and columns past a matrix's
// end are zeros in local memory. Lines of a turned tile are 4 elements longer than the tile, so that neighbours meet
// different banks. Items i and i ^ 1 have the same columns, i and i ^ 2 the same rows: NVIDIA's local memory serves such
// pairs of vectors at once.

#ifndef HEAD_WIDTH
#define HEAD_WIDTH 64  // Of a head's columns, the next multiple of 16.
#endif
#ifndef ALIGNED
#define ALIGNED 0  // whether every row of every head starts and ends at a multiple of four floats
#endif
#ifndef DEPTH
#define DEPTH 32  // Columns that are in local memory at once for a map.
#endif

// How many halves of a tile's rows an item reads at once; wide heads have no registers left for two.
#if HEAD_WIDTH > 112
#define HALVES 1
#else
#define HALVES 2
#endif

#define ITEMS 128  // of a work-group
#define TILE_ROWS 64
#define TILE_COLUMNS 32
#define ROWS_PITCH (TILE_ROWS / 4 + 1)
#define MAP_PITCH (TILE_ROWS / 4 + 2)
#define COLUMNS_PITCH (TILE_COLUMNS / 4 + 1)
#define PAIRS (HEAD_WIDTH / 16)

// This work-item's place: rows 4 · ITEM_ROW … of a tile, columns 4 · ITEM_COLUMN … of a map, and of the sums the pairs
// of columns ITEM_COLUMN, ITEM_COLUMN + 8, …
#define ITEM ((uint)get_local_id(0))
#define ITEM_ROW (ITEM / 32 * 4 + ITEM % 32 / 16 * 2 + ITEM % 2)
#define ITEM_COLUMN (ITEM / 2 % 8)

// Local memory for the operands of one product at a time, in vectors of 4.
#define TURNED (DEPTH * (ROWS_PITCH + COLUMNS_PITCH))
#define STRAIGHT (TILE_COLUMNS * HEAD_WIDTH / 4)
#define STAGE (TURNED > STRAIGHT ? TURNED : STRAIGHT)

// Four columns of a row, zeros past `width`.
static inline float4 row_quad(__global const float *row, uint column, uint width) {
  if (ALIGNED) return column < width ? *(__global const float4 *)(row + column) : (float4)(0.0f);
  if (column + 4 <= width) return vload4(0, row + column);
  float4 quad = (float4)(0.0f);
  if (column < width) quad.x = row[column];
  if (column + 1 < width) quad.y = row[column + 1];
  if (column + 2 < width) quad.z = row[column + 2];
  return quad;
}

// to[column][row] = from[row][column], tile_rows rows and `depth` columns; zeros past `count` rows, of which there is
// one at least, and `width` columns.
static inline void stage_turned(
    __global const float *from, uint stride, uint count, uint width, const uint tile_rows, uint depth,
    __local float4 *to) {
  // Neighbours read two quads of a row and then the next row: their turned stores meet all banks.
  const uint row = ITEM / 2 % tile_rows, first = (ITEM / 2 / tile_rows * 2 + ITEM % 2) * 4;
  const uint step = ITEMS / tile_rows * 4, end = row < count ? width : 0;
  __global const float *own = from + (ulong)min(row, count - 1) * stride;
  __local float *turned = (__local float *)to + first * (tile_rows + 4) + row;
#pragma unroll
  for (uint i = 0; i < DEPTH; i += step) {
    if (i >= depth) break;
    const float4 quad = row_quad(own, first + i, end);
    turned[i * (tile_rows + 4)] = quad.x;
    turned[(i + 1) * (tile_rows + 4)] = quad.y;
    turned[(i + 2) * (tile_rows + 4)] = quad.z;
    turned[(i + 3) * (tile_rows + 4)] = quad.w;
  }
}

// to[row][column] = from[row][column], TILE_COLUMNS rows and HEAD_WIDTH columns, zeros likewise.
static inline void stage_straight(
    __global const float *from, uint stride, uint count, uint width, __local float4 *to) {
#pragma unroll HALVES
  for (uint first = 0; first < TILE_COLUMNS; first += ITEMS / 8) {
    const uint row = first + ITEM / 8, end = row < count ? width : 0;
    __global const float *own = from + (ulong)min(row, count - 1) * stride;
#pragma unroll
    for (uint i = 0; i < HEAD_WIDTH / 4; i += 8) {
      const uint quad = i + ITEM % 8;
      if (quad < HEAD_WIDTH / 4) to[row * (HEAD_WIDTH / 4) + quad] = row_quad(own, quad * 4, end);
    }
  }
}

// map[row] += left[row] · right, for this work-item's 4 x 4 elements.
static inline void add_products(__local const float4 *left, __local const float4 *right, uint depth, float4 map[4]) {
  left += ITEM_ROW;
  right += ITEM_COLUMN;
#pragma unroll 8
  for (uint i = 0; i < depth; i++, left += ROWS_PITCH, right += COLUMNS_PITCH) {
    const float4 a = *left, b = *right;
    map[0] = fma((float4)(a.x), b, map[0]);
    map[1] = fma((float4)(a.y), b, map[1]);
    map[2] = fma((float4)(a.z), b, map[2]);
    map[3] = fma((float4)(a.w), b, map[3]);
  }
}

// map = left · rightᵀ; all work-items of the group come here together.
static inline void multiply_rows(
    __global const float *left, uint left_stride, uint left_count, __global const float *right, uint right_stride,
    uint right_count, uint width, __local float4 *stage, float4 map[4]) {
  map[0] = map[1] = map[2] = map[3] = (float4)(0.0f);
  for (uint column = 0; column < width; column += DEPTH) {
    const uint depth = min((uint)DEPTH, HEAD_WIDTH - column);
    // Nobody still reads what is replaced.
    barrier(CLK_LOCAL_MEM_FENCE);
    stage_turned(left + column, left_stride, left_count, width - column, TILE_ROWS, depth, stage);
    stage_turned(
        right + column, right_stride, right_count, width - column, TILE_COLUMNS, depth, stage + DEPTH * ROWS_PITCH);
    barrier(CLK_LOCAL_MEM_FENCE);
    if (ITEM_ROW * 4 < left_count) add_products(stage, stage + DEPTH * ROWS_PITCH, depth, map);
  }
}

// Which line of a stored map a column is: those of a work-item lie eight apart, so that its neighbours' lines lie
// together and meet different banks.
#define MAP_LINE(column) ((column) % 4 * (TILE_COLUMNS / 4) + (column) / 4)

// A map for add_rows: to[MAP_LINE(column)][row]. Its readers wait at a barrier.
static inline void store_map(const float4 map[4], __local float4 *to) {
  to += ITEM_COLUMN * MAP_PITCH + ITEM_ROW;
  to[0] = (float4)(map[0].x, map[1].x, map[2].x, map[3].x);
  to[MAP_LINE(1) * MAP_PITCH] = (float4)(map[0].y, map[1].y, map[2].y, map[3].y);
  to[MAP_LINE(2) * MAP_PITCH] = (float4)(map[0].z, map[1].z, map[2].z, map[3].z);
  to[MAP_LINE(3) * MAP_PITCH] = (float4)(map[0].w, map[1].w, map[2].w, map[3].w);
}

// sums[row] += Σ_column map[row][column] · right[column], for this work-item's 4 rows and pairs of columns. Columns of
// the map go by fours; those past `count` are zeros on both sides.
static inline void add_rows(
    __local const float4 *map, __local const float4 *right, uint count, float2 sums[4][PAIRS]) {
  __local const float2 *pairs = (__local const float2 *)right + ITEM_COLUMN;
  map += ITEM_ROW;
  for (uint first = 0; first < count; first += 4, map += MAP_PITCH, pairs += 4 * HEAD_WIDTH / 2) {
#pragma unroll
    for (uint i = 0; i < 4; i++) {
      const float4 a = map[MAP_LINE(i) * MAP_PITCH];
#pragma unroll
      for (uint p = 0; p < PAIRS; p++) {
        const float2 b = pairs[i * HEAD_WIDTH / 2 + p * 8];
        sums[0][p] = fma((float2)(a.x), b, sums[0][p]);
        sums[1][p] = fma((float2)(a.y), b, sums[1][p]);
        sums[2][p] = fma((float2)(a.z), b, sums[2][p]);
        sums[3][p] = fma((float2)(a.w), b, sums[3][p]);
      }
    }
  }
}

static inline void clear_sums(float2 sums[4][PAIRS]) {
#pragma unroll
  for (uint p = 0; p < PAIRS; p++) sums[0][p] = sums[1][p] = sums[2][p] = sums[3][p] = (float2)(0.0f);
}

static inline void scale_sums(float2 sums[4][PAIRS], float4 factors) {
#pragma unroll
  for (uint p = 0; p < PAIRS; p++) {
    sums[0][p] *= factors.x;
    sums[1][p] *= factors.y;
    sums[2][p] *= factors.z;
    sums[3][p] *= factors.w;
  }
}

// to[row] = sums[row] for the first `count` rows of the tile.
static inline void store_sums(
    const float2 sums[4][PAIRS], uint count, uint width, __global float *to, uint stride) {
#pragma unroll
  for (uint r = 0; r < 4; r++) {
    const uint row = ITEM_ROW * 4 + r;
#pragma unroll
    for (uint p = 0; p < PAIRS; p++) {
      const uint column = (p * 8 + ITEM_COLUMN) * 2;
      if (row < count && column < width) to[(ulong)row * stride + column] = sums[r][p].x;
      if (row < count && column + 1 < width) to[(ulong)row * stride + column + 1] = sums[r][p].y;
    }
  }
}

static inline float4 exponential_of_4(float4 x) {
  return (float4)(exponential(x.x), exponential(x.y), exponential(x.z), exponential(x.w));
}

// −∞ for scores of keys that a query does not see: those past the end, and later ones where the map is causal.
static inline float4 hide(float4 scores, uint4 query, uint4 key, uint tokens, uint is_causal) {
  const int4 is_seen = query < tokens && key < tokens && (key <= query || (uint4)(is_causal) == 0);
  return select((float4)(-INFINITY), scores, is_seen);
}

// The eight work-items that share a row give each other a number: one vector per work-item, for its 4 rows.
#define GIVEN (8 * MAP_PITCH)

static inline void give(float4 own, __local float4 *exchange) {
  // What was given before may still be read.
  barrier(CLK_LOCAL_MEM_FENCE);
  exchange[ITEM_COLUMN * MAP_PITCH + ITEM_ROW] = own;
  barrier(CLK_LOCAL_MEM_FENCE);
}

static inline float4 largest_given(__local const float4 *exchange) {
  float4 result = exchange[ITEM_ROW];
  for (uint i = 1; i < 8; i++) result = fmax(result, exchange[i * MAP_PITCH + ITEM_ROW]);
  return result;
}

static inline float4 sum_given(__local const float4 *exchange) {
  float4 result = exchange[ITEM_ROW];
  for (uint i = 1; i < 8; i++) result += exchange[i * MAP_PITCH + ITEM_ROW];
  return result;
}

// Sums over the keys of a query, with the weights e^(score − max_score); of `sum` each work-item has its own keys.
typedef struct {
  float4 max_score, sum;
} query_sums;

// The scores of a tile of queries and keys become weights in two steps. In between, each work-item gives the others its
// largest scores; the kernel itself does that, since rusticl 25 crashes where a function that takes a pointer to private
// memory calls one with a barrier.

// First step: the scores are scaled, those of unseen keys hidden. Returns the work-item's largest of each query.
static inline float4 largest_scores(float4 map[4], float factor, uint query, uint key, uint tokens, uint is_causal) {
  const uint4 keys = key + ITEM_COLUMN * 4 + (uint4)(0, 1, 2, 3);
  float own[4];
#pragma unroll
  for (uint r = 0; r < 4; r++) {
    map[r] = hide(map[r] * factor, (uint4)(query + ITEM_ROW * 4 + r), keys, tokens, is_causal);
    own[r] = fmax(fmax(map[r].x, map[r].y), fmax(map[r].z, map[r].w));
  }
  return (float4)(own[0], own[1], own[2], own[3]);
}

// Second step. Returns the factors for sums with the weights of earlier tiles.
static inline float4 exponentiate(float4 map[4], __local const float4 *largest, query_sums *of) {
  float own[4];
  const float4 top = fmax(of->max_score, largest_given(largest));
  const float4 rescale = exponential_of_4(of->max_score - top);
  map[0] = exponential_of_4(map[0] - top.x);
  map[1] = exponential_of_4(map[1] - top.y);
  map[2] = exponential_of_4(map[2] - top.z);
  map[3] = exponential_of_4(map[3] - top.w);
#pragma unroll
  for (uint r = 0; r < 4; r++) own[r] = map[r].x + map[r].y + map[r].z + map[r].w;
  of->max_score = top;
  of->sum = fma(of->sum, rescale, (float4)(own[0], own[1], own[2], own[3]));
  return rescale;
}

// A number of 4 rows from `first` on, the last one of `count` again for those past it.
static inline float4 load_4(__global const float *from, uint first, uint count) {
  const uint last = count - 1;
  return (float4)(
      from[min(first, last)], from[min(first + 1, last)], from[min(first + 2, last)], from[min(first + 3, last)]);
}

// The numbers of those of 4 rows from `first` on that are among `count`.
static inline void store_4(__global float *to, float4 value, uint first, uint count) {
  if (first < count) to[first] = value.x;
  if (first + 1 < count) to[first + 1] = value.y;
  if (first + 2 < count) to[first + 2] = value.z;
  if (first + 3 < count) to[first + 3] = value.w;
}
