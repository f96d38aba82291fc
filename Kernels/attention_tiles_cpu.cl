// What the cpu variants of attention share: blocks of rows, panels of turned rows, and products between them. Their
// programs are common.cl, this file and their own.
//
// Everything lies in local memory, which on a processor is its caches. A head's matrix (queries, keys, values or a
// gradient) appears there in two forms:
//
//   block   up to BLOCK rows as they are: [row][VECTORS], zeros up to a whole tile
//   panel   32 rows turned: [column][2 vectors], one row per lane
//
//   map = block · panel                                sums = mapᵀ · block
//
//             panel: 32 rows, one per lane                       block's columns
//            ┌───────┬───────┐                                  ┌───────┬───────┐
//   block,   │  b0   │  b1   │ one column              map,     │  b0   │  b1   │ one row of both
//   8 rows   ├───────┼───────┤                         8 lanes  ├───────┼───────┤
//   a[0]     │ += a·b0 │ …   │                         a[0]     │ += a·b0 │ …   │
//   …        │       │       │                         …        │       │       │
//   a[7]     └───────┴───────┘                         a[7]     └───────┴───────┘
//
// Both are the same tile: 16 sums of 16 floats in registers, 16 multiply-adds per 2 + 8 loads. Neither the block nor
// the map has to be turned for it, and a softmax over a map's rows needs no sum across lanes.

#ifndef HEAD_WIDTH
#define HEAD_WIDTH 64  // Of a head's columns, the next multiple of LANES.
#endif
#ifndef BLOCK
#define BLOCK 264  // A multiple of TILE_ROWS; holds a sequence of ViT-*/14 at once.
#endif
#ifndef TILE_ROWS
#define TILE_ROWS 8
#endif

#define VECTORS (HEAD_WIDTH / LANES)
#define PANEL_ROWS (2 * LANES)

// to[row] = from[row] for `count` rows, and zeros up to a whole tile.
static inline void copy_block(
    __global const float *from, uint stride, uint count, uint width, __local vfloat *to) {
  for (uint row = 0; row < count; row++, from += stride)
    for (uint v = 0; v < VECTORS; v++) to[row * VECTORS + v] = load_up_to(from + v * LANES, width - v * LANES);
  for (uint i = count * VECTORS; i % (TILE_ROWS * VECTORS) != 0; i++) to[i] = (vfloat)(0.0f);
}

// to[column][lane] = factor · from[lane][column] for `count` rows; the lanes past them repeat the last one.
static inline void turn_panel(
    __global const float *from, uint stride, uint count, uint width, float factor, __local vfloat *to) {
  for (uint half_panel = 0; half_panel < 2; half_panel++) {
    __global const float *rows[LANES];
    for (uint i = 0; i < LANES; i++) rows[i] = from + (ulong)min(half_panel * LANES + i, count - 1) * stride;
    uint column = 0;
    for (; column + LANES <= width; column += LANES) {
      vfloat square[LANES];
#pragma unroll
      for (uint i = 0; i < LANES; i++) square[i] = load(rows[i] + column);
      turn_square(square);
#pragma unroll
      for (uint i = 0; i < LANES; i++) to[(column + i) * 2 + half_panel] = square[i] * factor;
    }
    for (; column < width; column++)
      for (uint i = 0; i < LANES; i++)
        ((__local float *)(to + column * 2 + half_panel))[i] = rows[i][column] * factor;
  }
}

// sums[r][0 … vectors − 1] = Σ_i left[r · row_step + i · step] · right[i · right_step …] over i < depth.
__attribute__((always_inline)) static inline void multiply_tile(
    const uint vectors, __local const float *left, uint row_step, uint step, __local const vfloat *right,
    uint right_step, uint depth, vfloat sums[TILE_ROWS][2]) {
#pragma unroll
  for (uint r = 0; r < TILE_ROWS; r++) sums[r][0] = sums[r][1] = (vfloat)(0.0f);
  for (uint i = 0; i < depth; i++, left += step, right += right_step) {
    const vfloat b0 = right[0], b1 = right[vectors - 1];
#pragma unroll
    for (uint r = 0; r < TILE_ROWS; r++) {
      const vfloat a = (vfloat)(left[r * row_step]);
      sums[r][0] = fma(a, b0, sums[r][0]);
      if (vectors > 1) sums[r][1] = fma(a, b1, sums[r][1]);
    }
  }
}

// map[row][lane] = Σ_column block[row][column] · panel[column][lane]
static inline void multiply_block(
    __local const vfloat *block, uint count, __local const vfloat *panel, uint width, __local vfloat *map) {
  for (uint row = 0; row < count; row += TILE_ROWS) {
    vfloat sums[TILE_ROWS][2];
    multiply_tile(2, (__local const float *)(block + row * VECTORS), HEAD_WIDTH, 1, panel, 2, width, sums);
#pragma unroll
    for (uint r = 0; r < TILE_ROWS; r++) {
      map[(row + r) * 2] = sums[r][0];
      map[(row + r) * 2 + 1] = sums[r][1];
    }
  }
}

__attribute__((always_inline)) static inline void add_tile(
    const uint vectors, __local const float *map, __local const vfloat *block, uint count, bool is_first,
    __local vfloat *to) {
  vfloat sums[TILE_ROWS][2];
  multiply_tile(vectors, map, 1, PANEL_ROWS, block, VECTORS, count, sums);
#pragma unroll
  for (uint r = 0; r < TILE_ROWS; r++)
#pragma unroll
    for (uint v = 0; v < vectors; v++)
      to[r * VECTORS + v] = is_first ? sums[r][v] : to[r * VECTORS + v] + sums[r][v];
}

// to[lane] = Σ_row map[row][lane] · block[row] for the first `lanes` lanes, added to what is there unless is_first.
static inline void add_block(
    __local const vfloat *map, uint lanes, __local const vfloat *block, uint count, bool is_first, __local vfloat *to) {
  for (uint lane = 0; lane < lanes; lane += TILE_ROWS) {
    __local const float *left = (__local const float *)map + lane;
    __local vfloat *tile = to + lane * VECTORS;
    for (uint v = 0; v + 2 <= VECTORS; v += 2) add_tile(2, left, block + v, count, is_first, tile + v);
    if (VECTORS % 2 > 0) add_tile(1, left, block + VECTORS - 1, count, is_first, tile + VECTORS - 1);
  }
}

static inline void scale_rows(__local vfloat *rows, uint count, __local const float *factors) {
  for (uint row = 0; row < count; row++)
    for (uint v = 0; v < VECTORS; v++) rows[row * VECTORS + v] *= factors[row];
}

static inline void store_rows(
    __local const vfloat *from, uint count, uint width, __global float *to, uint stride) {
  for (uint row = 0; row < count; row++, to += stride)
    for (uint v = 0; v < VECTORS; v++)
      store_up_to(to + v * LANES, from[row * VECTORS + v], width - v * LANES);
}

// No query sees the keys after it: their scores become −∞. Rows are keys and lanes queries, or the other way round;
// `first_row` and `first_lane` are their numbers in the sequence.
static inline void hide_later_rows(__local float *scores, uint first_row, uint count, uint first_lane) {
  for (uint row = 0; row < count; row++)
    for (uint lane = 0; lane < PANEL_ROWS && first_lane + lane < first_row + row; lane++)
      scores[row * PANEL_ROWS + lane] = -INFINITY;
}

static inline void hide_later_lanes(__local float *scores, uint first_row, uint count, uint first_lane) {
  for (uint row = 0; row < count; row++)
    for (uint lane = PANEL_ROWS; lane > 0 && first_lane + lane - 1 > first_row + row; lane--)
      scores[row * PANEL_ROWS + lane - 1] = -INFINITY;
}
