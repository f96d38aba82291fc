// The left operand of a product in the order in which matmul_cpu.cl reads it (Compute/Operations/Matmul.swift):
// rows first_row … first_row + rows − 1 in tiles of TILE_ROWS, one block of DEPTH_BLOCK inner elements after the
// other.
//
//   packed[block][row tile][k][r] = input[row][k]                                        row = first_row + tile row + r
//                                 = input[shared row of `row`][k] · scales[row / tokens][k]             with has_scales
//
// Packed rows past the last one repeat it; nobody reads their sums. The last block is as deep as what is left.
//
// One work-item packs one row tile. Every product reads its left operand once per column panel, always TILE_ROWS
// elements of one k at a time: packed, they are neighbours, wherever the rows lie.

#ifndef TILE_ROWS
#define TILE_ROWS 12
#endif
#ifndef DEPTH_BLOCK
#define DEPTH_BLOCK 256
#endif

// The rows of one tile, and those that scale them.
typedef struct {
  __global const float *rows[TILE_ROWS];
  __global const float *scales[TILE_ROWS];
} tile_rows;

static inline float16 elements(const tile_rows *tile, uint r, uint k, uint has_scales) {
  const float16 x = vload16(0, tile->rows[r] + k);
  return has_scales ? x * vload16(0, tile->scales[r] + k) : x;
}

// Four rows' elements of four k become four elements of each k.
static inline void pack_quads(float4 a, float4 b, float4 c, float4 d, __global float *to) {
  vstore4((float4)(a.x, b.x, c.x, d.x), 0, to);
  vstore4((float4)(a.y, b.y, c.y, d.y), 0, to + TILE_ROWS);
  vstore4((float4)(a.z, b.z, c.z, d.z), 0, to + 2 * TILE_ROWS);
  vstore4((float4)(a.w, b.w, c.w, d.w), 0, to + 3 * TILE_ROWS);
}

__attribute__((reqd_work_group_size(1, 1, 1))) __kernel void pack_rows(
    INPUT(input), INPUT(scales), __global float *packed, const uint first_row, const uint rows, const uint depth,
    const uint has_scales, const uint prompts, const uint tokens) {
  const uint number = get_global_id(0), tile_count = (rows + TILE_ROWS - 1) / TILE_ROWS;
  tile_rows tile;
  for (uint r = 0; r < TILE_ROWS; r++) {
    const uint row = first_row + min(number * TILE_ROWS + r, rows - 1);
    tile.rows[r] = ROW(input, has_scales ? shared_row(row, prompts, tokens) : row);
    tile.scales[r] = ROW(scales, has_scales ? row / tokens : 0);
  }
  for (uint first = 0; first < depth; first += DEPTH_BLOCK) {
    const uint block_depth = min(depth - first, (uint)DEPTH_BLOCK), end = first + block_depth;
    __global float *to = packed + ((ulong)first * tile_count + (ulong)number * block_depth) * TILE_ROWS;
    uint k = first;
    for (; k + 16 <= end; k += 16, to += 16 * TILE_ROWS)
      for (uint r = 0; r < TILE_ROWS; r += 4) {
        const float16 a = elements(&tile, r, k, has_scales), b = elements(&tile, r + 1, k, has_scales);
        const float16 c = elements(&tile, r + 2, k, has_scales), d = elements(&tile, r + 3, k, has_scales);
        pack_quads(a.s0123, b.s0123, c.s0123, d.s0123, to + r);
        pack_quads(a.s4567, b.s4567, c.s4567, d.s4567, to + 4 * TILE_ROWS + r);
        pack_quads(a.s89ab, b.s89ab, c.s89ab, d.s89ab, to + 8 * TILE_ROWS + r);
        pack_quads(a.scdef, b.scdef, c.scdef, d.scdef, to + 12 * TILE_ROWS + r);
      }
    for (; k < end; k++, to += TILE_ROWS)
      for (uint r = 0; r < TILE_ROWS; r++) to[r] = has_scales ? tile.rows[r][k] * tile.scales[r][k] : tile.rows[r][k];
  }
}
