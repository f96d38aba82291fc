// output = epilogue(left · right): the cpu variant of Compute/Operations/Matmul.swift, on a left operand from
// pack_rows_cpu.cl and a weight from pack_weight_cpu.cl.
//
//   sum[r][c] = Σ_k left[r][k] · right[k][c],   right[k][c] = weight[c][k], or weight[k][c] with SIDE_INPUTS
//
//                 a panel of 32 columns
//              ┌──────────┬──────────┐
//              │ b0 of k  │ b1 of k  │   Of each k: two vectors of the right operand, TILE_ROWS elements of the left
//   a tile of  ├──────────┼──────────┤   one, and 24 multiply-adds into sums that stay in registers for a block of
//   12 rows    │ += a · b0│ += a · b1│   DEPTH_BLOCK k. Between blocks they rest in `sums`. Each sum is one chain of
//              │    …     │    …     │   fma over ascending k, whatever stands beside it.
//              └──────────┴──────────┘
//
// One work-item computes one panel (dimension 1) of tiles_per_item row tiles (dimension 0), block by block. A panel's
// block stays in the caches while all its tiles meet it, so that what a product costs is arithmetic; the weight is read
// from memory once, and asked for ahead of time. Blocks that the tiles cannot read as they lie, 16-bit elements or the
// weight's other side, are expanded into local memory first.

#ifndef STORAGE
#define STORAGE 0  // of the weight's elements: 0 float32, 1 float16, 2 bfloat16
#endif
#ifndef SIDE_INPUTS
#define SIDE_INPUTS 0
#endif
#ifndef TILE_ROWS
#define TILE_ROWS 12
#endif
#ifndef DEPTH_BLOCK
#define DEPTH_BLOCK 256  // 32 KB of one panel
#endif
#define TILE_COLUMNS 32
#define STEPS 8  // k that are computed without looking
#define SQUARE (TILE_COLUMNS * TILE_COLUMNS)

#define EXPANDS (STORAGE != 0 || SIDE_INPUTS)
// A panel's block as the tiles read it: [depth][2] vectors.
#if EXPANDS
#define RIGHT __local float16
#else
#define RIGHT __global const float16
#endif
// Inlined whatever the compiler thinks: tiles need their number of rows as a constant, and PoCL 3.1 loses local memory
// of a kernel that it finds in a function.
#define INLINE __attribute__((always_inline)) static inline

#if STORAGE == 0
typedef float stored;
#else
typedef ushort stored;
#endif

#if EXPANDS
static inline float16 widened(__global const stored *from) {
#if STORAGE == 0
  return vload16(0, from);
#elif STORAGE == 1
  const uint16 half_bits = convert_uint16(vload16(0, from));
  const uint16 sign = (half_bits & (uint16)(0x8000)) << (uint16)(16);
  const uint16 magnitude = (half_bits & (uint16)(0x7fff)) << (uint16)(13);
  // Multiplying by 2¹¹² moves the exponent's bias and makes subnormal halves exact.
  const uint16 scaled = as_uint16(as_float16(magnitude) * (float16)(0x1p112f));
  const uint16 special = select((uint16)(0), (uint16)(0x7f800000), magnitude >= (uint16)(0x0f800000));
  return as_float16(scaled | special | sign);
#else
  return as_float16(convert_uint16(vload16(0, from)) << (uint16)(16));
#endif
}
#endif

// Where element 0 of `panel` at depth k lies; k is a multiple of TILE_COLUMNS.
static inline __global const stored *weight_at(
    __global const stored *weight, uint panel, uint k, uint padded_inputs) {
#if SIDE_INPUTS
  return weight + (ulong)k * padded_inputs + (ulong)panel * SQUARE;
#else
  return weight + ((ulong)panel * padded_inputs + k) * TILE_COLUMNS;
#endif
}

#if EXPANDS
INLINE void expand(
    __global const stored *weight, uint panel, uint first, uint depth, uint padded_inputs, __local float16 *to) {
  for (uint k = 0; k < depth; k += TILE_COLUMNS, to += 2 * TILE_COLUMNS) {
    __global const stored *from = weight_at(weight, panel, first + k, padded_inputs);
#if SIDE_INPUTS
    // A square lies as [column][k]; its quarters are turned in registers.
    for (uint c = 0; c < TILE_COLUMNS; c += 16)
      for (uint i = 0; i < TILE_COLUMNS; i += 16) {
        float16 rows[16];
#pragma unroll
        for (uint r = 0; r < 16; r++) rows[r] = widened(from + (c + r) * TILE_COLUMNS + i);
        turn_square(rows);
#pragma unroll
        for (uint r = 0; r < 16; r++) to[2 * (i + r) + c / 16] = rows[r];
      }
#else
    for (uint i = 0; i < 2 * TILE_COLUMNS; i++) to[i] = widened(from + 16 * i);
#endif
  }
}
#endif

// One k of a tile.
INLINE void add_step(const uint rows, __global const float *left, RIGHT *right, float16 sums[TILE_ROWS][2]) {
  const float16 b0 = right[0], b1 = right[1];
#pragma unroll
  for (uint r = 0; r < rows; r++) {
    const float16 a = (float16)(left[r]);
    sums[r][0] = fma(a, b0, sums[r][0]);
    sums[r][1] = fma(a, b1, sums[r][1]);
  }
}

// A tile's sums go on over `depth` more k.
INLINE void add_rows(
    const uint rows, uint depth, __global const float *left, RIGHT *right, __global float16 *tile, uint is_first) {
  float16 sums[TILE_ROWS][2];
#pragma unroll
  for (uint r = 0; r < rows; r++) {
    sums[r][0] = is_first ? (float16)(0.0f) : tile[2 * r];
    sums[r][1] = is_first ? (float16)(0.0f) : tile[2 * r + 1];
  }
  for (; depth >= STEPS; depth -= STEPS, left += STEPS * TILE_ROWS, right += STEPS * 2) {
#pragma unroll
    for (uint step = 0; step < STEPS; step++) add_step(rows, left + step * TILE_ROWS, right + 2 * step, sums);
  }
  for (; depth > 0; depth--, left += TILE_ROWS, right += 2) add_step(rows, left, right, sums);
#pragma unroll
  for (uint r = 0; r < rows; r++) {
    tile[2 * r] = sums[r][0];
    tile[2 * r + 1] = sums[r][1];
  }
}

// Tiles of an odd number of rows compute one more, which the packed operand has.
INLINE void add_products(
    uint rows, uint depth, __global const float *left, RIGHT *right, __global float16 *tile, uint is_first) {
  switch ((rows + 1) / 2) {
    case 1: add_rows(2, depth, left, right, tile, is_first); break;
    case 2: add_rows(4, depth, left, right, tile, is_first); break;
    case 3: add_rows(6, depth, left, right, tile, is_first); break;
    case 4: add_rows(8, depth, left, right, tile, is_first); break;
    case 5: add_rows(10, depth, left, right, tile, is_first); break;
    default: add_rows(TILE_ROWS, depth, left, right, tile, is_first); break;
  }
}

__attribute__((reqd_work_group_size(1, 1, 1))) __kernel void matmul(
    __global const float *left, __global const stored *weight, INPUT(bias), INPUT(residual), OUTPUT(output),
    OUTPUT(derivative), OUTPUT(slopes), __global float16 *sums, const uint first_row, const uint rows,
    const uint columns, const uint depth, const uint padded_inputs, const uint tiles_per_item, const uint has_bias,
    const uint activation, const uint has_derivative, const uint has_slopes, const uint residual_rows) {
#if EXPANDS
  __local float16 expanded[2 * DEPTH_BLOCK];
#endif
  const epilogue end = EPILOGUE;
  const uint panel = get_global_id(1), tile_count = (rows + TILE_ROWS - 1) / TILE_ROWS;
  const uint tile_begin = get_global_id(0) * tiles_per_item, tile_end = min(tile_begin + tiles_per_item, tile_count);
  for (uint k = 0; k < depth; k += DEPTH_BLOCK) {
    const uint block_depth = min(depth - k, (uint)DEPTH_BLOCK);
    const uint is_last = k + block_depth == depth;
#if EXPANDS
    expand(weight, panel, k, block_depth, padded_inputs, expanded);
    RIGHT *right = expanded;
#else
    RIGHT *right = (RIGHT *)weight_at(weight, panel, k, padded_inputs);
#endif
    for (uint t = tile_begin; t < tile_end; t++) {
      const uint row = t * TILE_ROWS, tile_rows = min(rows - row, (uint)TILE_ROWS);
      __global float16 *tile = sums + ((ulong)panel * tile_count + t) * 2 * TILE_ROWS;
      __global const float *tile_left = left + ((ulong)k * tile_count + (ulong)t * block_depth) * TILE_ROWS;
      add_products(tile_rows, block_depth, tile_left, right, tile, k == 0);
      if (!is_last) continue;
      for (uint i = 0; i < 2 * tile_rows; i++)
        finish(&end, first_row + row + i / 2, panel * TILE_COLUMNS + i % 2 * 16, tile[i]);
    }
  }
}
