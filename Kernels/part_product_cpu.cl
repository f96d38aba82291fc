// output = factor · scale ⊙ (left · right) + bias, or added to what the output holds, in double alone: the cpu variant
// of Compute/Operations/PartProduct.swift. Sums run over k in ascending order.
//
//                  a panel of 32 columns
//                ┌────┬────┬────┬────┐
//                │    │    │    │    │  right, in local memory: BLOCK k of the panel
//   4 rows, in   ├────┼────┼────┼────┤
//   local memory │ += a · b          │  16 vectors of 8 sums, in registers for a block
//                └────┴────┴────┴────┘
//
// One work-item computes one panel (dimension 0) of rows_per_item rows (1). Both operands are brought to local memory as
// the sums read them: whichever way they lie, and the values that do not count as zeros. Between blocks the sums rest in
// `sums`, [panel][row][32].

#define TILE_ROWS 4
#define PANEL 32
#define VECTORS (PANEL / 8)
#define BLOCK 64  // 16 KB of a panel

#if FLOAT64
typedef double8 real8;
#else
typedef float8 real8;
#endif

// PoCL 3.1 loses local memory of a kernel that it finds in a function.
#define INLINE __attribute__((always_inline)) static inline

// Which values of an operand count, as the launcher numbers them: all, the positive ones, the negative ones. NaN stays.
static inline real part_of(real x, uint part) {
  x = part == 1 && x < 0.0f ? 0.0f : x;
  return part == 2 && x > 0.0f ? 0.0f : x;
}

// An operand's lines, which are summed over, from `first` on: line l's element k lies at l · line_step + k · k_step.
// to[k][l] for `depth` k and `width` lines, zeros past `count`.
INLINE void bring(
    __global const real *from, ulong line_step, ulong k_step, uint part, uint count, const uint width, uint depth,
    __local real *to) {
  if (count < width)
    for (uint i = 0; i < depth * width; i++) to[i] = 0.0f;
  if (k_step == 1)
    for (uint l = 0; l < count; l++)
      for (uint k = 0; k < depth; k++) to[k * width + l] = from[l * line_step + k];
  else if (count == width)
    for (uint k = 0; k < depth; k++)
      for (uint l = 0; l < width; l++) to[k * width + l] = from[k * k_step + l * line_step];
  else
    for (uint k = 0; k < depth; k++)
      for (uint l = 0; l < count; l++) to[k * width + l] = from[k * k_step + l * line_step];
  if (part)
    for (uint i = 0; i < depth * width; i++) to[i] = part_of(to[i], part);
}

__attribute__((reqd_work_group_size(1, 1, 1))) __kernel void part_product(
    INPUT(left), const uint left_transposed, const uint left_part, INPUT(right), const uint right_transposed,
    const uint right_part, INPUT(scale), const uint scale_rows, const uint scale_part, INPUT(bias), const uint has_bias,
    OUTPUT(output), const uint accumulates, const real factor, const uint rows, const uint inner, const uint columns,
    __global real *sums, const uint rows_per_item) {
  __local real8 right_block[BLOCK * VECTORS], left_block[BLOCK * TILE_ROWS / 8];
  __local const real *a = (__local const real *)left_block;
  const uint first_column = get_global_id(0) * PANEL, count = min(columns - first_column, (uint)PANEL);
  const uint first_row = get_global_id(1) * rows_per_item, end_row = min(rows, first_row + rows_per_item);
  const ulong row_step = left_transposed ? 1 : left_stride, left_step = left_transposed ? left_stride : 1;
  const ulong column_step = right_transposed ? right_stride : 1, right_step = right_transposed ? 1 : right_stride;
  sums += (ulong)get_global_id(0) * rows * PANEL;
  for (uint k = 0; k < inner; k += BLOCK) {
    const uint depth = min(inner - k, (uint)BLOCK);
    bring(
        ROW(right, 0) + first_column * column_step + k * right_step, column_step, right_step, right_part, count, PANEL,
        depth, (__local real *)right_block);
    for (uint row = first_row; row < end_row; row += TILE_ROWS) {
      const uint tile_rows = min(end_row - row, (uint)TILE_ROWS);
      bring(
          ROW(left, 0) + row * row_step + k * left_step, row_step, left_step, left_part, tile_rows, TILE_ROWS, depth,
          (__local real *)left_block);
      real8 tile[TILE_ROWS][VECTORS];
#pragma unroll
      for (uint r = 0; r < TILE_ROWS; r++)
#pragma unroll
        for (uint v = 0; v < VECTORS; v++)
          tile[r][v] = k > 0 && r < tile_rows ? vload8(v, sums + (ulong)(row + r) * PANEL) : (real8)(0.0f);
      for (uint i = 0; i < depth; i++) {
        real8 b[VECTORS];
#pragma unroll
        for (uint v = 0; v < VECTORS; v++) b[v] = right_block[i * VECTORS + v];
#pragma unroll
        for (uint r = 0; r < TILE_ROWS; r++)
#pragma unroll
          for (uint v = 0; v < VECTORS; v++) tile[r][v] = fma((real8)(a[i * TILE_ROWS + r]), b[v], tile[r][v]);
      }
#pragma unroll
      for (uint r = 0; r < TILE_ROWS; r++)
#pragma unroll
        for (uint v = 0; v < VECTORS; v++)
          if (r < tile_rows) vstore8(tile[r][v], v, sums + (ulong)(row + r) * PANEL);
    }
  }
  for (uint row = first_row; row < end_row; row++) {
    __global const real *of = sums + (ulong)row * PANEL;
    __global real *to = ROW(output, row) + first_column;
    for (uint c = 0; c < count; c++) {
      real x = of[c] * factor;
      if (scale_rows) x *= part_of(ROW(scale, row % scale_rows)[first_column + c], scale_part);
      if (has_bias) x += ROW(bias, 0)[first_column + c];
      to[c] = accumulates ? to[c] + x : x;
    }
  }
}
