// output = epilogue(left · right), as in matmul.cl, for up to ROWS rows, of which a tile there would be nearly empty: the
// time is that of reading the weight, so what counts is how much of it is on its way at once.
//
//   left [row][k]        right [column][k]
//   ┌── … ──┐            ┌── … ──┐    A work-group computes ROWS × COLUMNS elements, one an item. Step by step, STEP k
//   │ 8 rows│            │ 16    │    deep, both operands go to local memory, the next step's already on their way in
//   └── … ──┘            └── … ──┘    registers: 8 KB of the weight from every group.
//    STEP k               STEP k
//
// Each sum is one chain of fma over ascending k, the bits of matmul.cl. Operands are read by matmul_tiles.cl.

#define ROWS 8
#define COLUMNS 16
#define STEP 128
#define ITEMS (ROWS * COLUMNS)
#define QUADS (STEP / 4)
#define PITCH (QUADS + 1)  // Neighbours that read one k of neighbouring columns meet different banks.
#define LEFT_QUADS (ROWS * QUADS / ITEMS)
#define RIGHT_QUADS (COLUMNS * QUADS / ITEMS)

__attribute__((reqd_work_group_size(ITEMS, 1, 1))) SUB_GROUPS __kernel void matmul_rows(
    INPUT(input), INPUT(scales), WEIGHT(weight), INPUT(bias), INPUT(residual), OUTPUT(output),
    OUTPUT(derivative), OUTPUT(slopes), const uint rows, const uint columns, const uint depth,
    const uint padded_inputs, const uint prompts, const uint tokens, const uint has_bias, const uint activation,
    const uint has_derivative, const uint has_slopes, const uint residual_rows) {
  __local float4 left[ROWS * PITCH], right[COLUMNS * PITCH];
  const uint item = get_local_id(0), first_column = get_group_id(0) * COLUMNS;
  // Items i and i ^ 1 read one column, i and i ^ 2 one row; rows that are not there leave whole blocks of 32 idle.
  const uint row = item / 32 * 2 + item % 2, column = item / 2 % COLUMNS;
  GO_TO_WEIGHT
  float4 next_left[LEFT_QUADS], next_right[RIGHT_QUADS];
  float sum = 0.0f;
  for (uint k = 0; k < depth + STEP; k += STEP) {
    if (k > 0) {
      barrier(CLK_LOCAL_MEM_FENCE);
#pragma unroll
      for (uint i = 0; i < LEFT_QUADS; i++) {
        const uint quad = item + i * ITEMS;
        left[quad / QUADS * PITCH + quad % QUADS] = next_left[i];
      }
#pragma unroll
      for (uint i = 0; i < RIGHT_QUADS; i++) {
        const uint quad = item + i * ITEMS;
#if SIDE_INPUTS
        __local float *to = (__local float *)right + quad % (COLUMNS / 4) * 16 * PITCH + quad / (COLUMNS / 4);
        to[0] = next_right[i].x;
        to[4 * PITCH] = next_right[i].y;
        to[8 * PITCH] = next_right[i].z;
        to[12 * PITCH] = next_right[i].w;
#else
        right[quad / QUADS * PITCH + quad % QUADS] = next_right[i];
#endif
      }
      barrier(CLK_LOCAL_MEM_FENCE);
    }
    if (k < depth) {
#pragma unroll
      for (uint i = 0; i < LEFT_QUADS; i++) {
        const uint quad = item + i * ITEMS, r = quad / QUADS, at = k + quad % QUADS * 4;
        next_left[i] = (float4)(0.0f);
        if (r >= rows) continue;
        next_left[i] = row_quad(ROW(input, SCALED ? shared_row(r, prompts, tokens) : r), at, depth);
        if (SCALED) next_left[i] *= row_quad(ROW(scales, r / tokens), at, depth);
      }
#pragma unroll
      for (uint i = 0; i < RIGHT_QUADS; i++) {
        const uint quad = item + i * ITEMS;
#if SIDE_INPUTS
        const uint line = k + quad / (COLUMNS / 4), at = first_column + quad % (COLUMNS / 4) * 4;
#else
        const uint line = first_column + quad / QUADS, at = k + quad % QUADS * 4;
#endif
        next_right[i] = weight_quad(weight + (ulong)line * padded_inputs + at);
      }
    }
    if (k > 0 && row < rows) {
      __local const float4 *a = left + row * PITCH, *b = right + column * PITCH;
#pragma unroll 8
      for (uint quad = 0; quad < QUADS; quad++) {
        sum = fma(a[quad].x, b[quad].x, sum);
        sum = fma(a[quad].y, b[quad].y, sum);
        sum = fma(a[quad].z, b[quad].z, sum);
        sum = fma(a[quad].w, b[quad].w, sum);
      }
    }
  }
  GO_TO_OUTPUT
  const epilogue end = EPILOGUE;
  if (row < rows) finish(&end, row, first_column + column, sum);
}
