// output = epilogue(left · right): the portable variant of Compute/Operations/Matmul.swift, on a weight from
// pack_weight.cl and on what matmul_tiles.cl reads.
//
//   sum[r][c] = Σ_k left[r][k] · right[k][c],   right[k][c] = weight[c][k], or weight[k][c] with SIDE_INPUTS
//   left[r][k] = input[r][k], or input[shared row of r][k] · scales[r / tokens][k] with SCALED
//
//                    TILE_N columns
//                 ┌────────────────────┐   A work-group computes a tile of the output: dimension 0 counts tiles of
//        TILE_K   │ right tile [k][n]  │   rows, dimension 1 tiles of columns, so that groups that start together
//     ┌────────┐  ├────────────────────┤   share the weight's columns. Step by step, TILE_K deep, both operands go
//     │ left   │  │    ▪▪    ▪▪        │   to local memory, the next step's already on their way in registers. A
//     │ tile   │  │    ▪▪    ▪▪        │   work-item multiplies ITEM_M × ITEM_N elements (▪): squares of four, half
//     │ [k][m] │  │                    │   a tile apart, so that neighbours read neighbouring words of local memory.
//     └────────┘  └────────────────────┘
//
// Tiles lie by k, four words longer than they need to be so that turned stores spread over the banks. Each sum is one
// chain of fma over ascending k, whatever the tile's sizes. The weight is filled up with zeros to whole tiles; the left
// operand is read as 0 beyond the depth, and beyond the rows as the last row, whose sums nobody stores.

#ifndef TILE_M
#define TILE_M 64
#endif
#ifndef TILE_N
#define TILE_N 64
#endif
#ifndef TILE_K
#define TILE_K 16
#endif
#ifndef UNROLL
#define UNROLL 2  // Of a step's k, how many are written out: with all of them some compilers take too many registers.
#endif
#ifndef ITEM_M
#define ITEM_M 4
#endif
#ifndef ITEM_N
#define ITEM_N 8
#endif
#define ITEMS_M (TILE_M / ITEM_M)
#define ITEMS_N (TILE_N / ITEM_N)
#define GROUP_ITEMS (ITEMS_M * ITEMS_N)

// Quads: of a row of TILE_K elements, of one of TILE_N, and how many an item brings.
#define QUADS_K (TILE_K / 4)
#define QUADS_N (TILE_N / 4)
#define LEFT_QUADS (TILE_M * QUADS_K / GROUP_ITEMS)
#define RIGHT_QUADS (TILE_N * QUADS_K / GROUP_ITEMS)
#if LEFT_QUADS * GROUP_ITEMS != TILE_M * QUADS_K || RIGHT_QUADS * GROUP_ITEMS != TILE_N * QUADS_K || \
    GROUP_ITEMS % QUADS_N != 0 || ITEMS_M % 4 != 0 || ITEMS_N % 8 != 0 || ITEMS_M > TILE_K
#error "these tiles do not divide among the items"
#endif
// From one square of an item to its next.
#define SPAN_M (TILE_M / (ITEM_M / 4))
#define SPAN_N (TILE_N / (ITEM_N / 4))
#define LEFT_STRIDE (TILE_M + 4)
#define RIGHT_STRIDE (TILE_N + 4)

// What one item brings of every step.
typedef struct {
  __global const float *rows[LEFT_QUADS], *scales[LEFT_QUADS];
  __global const stored *weight;
  uint weight_step;  // from one of an item's quads to the next
  float4 left[LEFT_QUADS], right[RIGHT_QUADS];
} delivery;

// Reads the quads of the step at k.
INLINE void fetch(delivery *d, uint k, uint depth, uint padded_inputs) {
#pragma unroll
  for (uint i = 0; i < LEFT_QUADS; i++) {
    d->left[i] = row_quad(d->rows[i], k, depth);
    if (SCALED) d->left[i] *= row_quad(d->scales[i], k, depth);
  }
#pragma unroll
  for (uint i = 0; i < RIGHT_QUADS; i++) {
    d->right[i] = weight_quad(d->weight + i * d->weight_step);
  }
  d->weight += SIDE_INPUTS ? TILE_K * padded_inputs : TILE_K;
}

// A quad of k becomes a column of a tile.
INLINE void put_turned(__local float *to, uint stride, float4 quad) {
  to[0] = quad.x;
  to[stride] = quad.y;
  to[2 * stride] = quad.z;
  to[3 * stride] = quad.w;
}

// Puts what was fetched into the tiles.
INLINE void put(const delivery *d, uint item, __local float *left, __local float *right) {
#pragma unroll
  for (uint i = 0; i < LEFT_QUADS; i++) {
    const uint quad = item + i * GROUP_ITEMS;
    put_turned(left + quad % QUADS_K * 4 * LEFT_STRIDE + quad / QUADS_K, LEFT_STRIDE, d->left[i]);
  }
#pragma unroll
  for (uint i = 0; i < RIGHT_QUADS; i++) {
    const uint quad = item + i * GROUP_ITEMS;
#if SIDE_INPUTS
    *(__local float4 *)(right + quad / QUADS_N * RIGHT_STRIDE + quad % QUADS_N * 4) = d->right[i];
#else
    put_turned(right + quad % QUADS_K * 4 * RIGHT_STRIDE + quad / QUADS_K, RIGHT_STRIDE, d->right[i]);
#endif
  }
}

#define ADD_ROW(row, a)                                   \
  _Pragma("unroll") for (uint j = 0; j < ITEM_N / 4; j++) \
    sums[row][j] = fma((float4)(a), b[j], sums[row][j]);

// An item's sums go on over one step; `left` and `right` are its first elements of the tiles.
INLINE void add_step(__local const float *left, __local const float *right, float4 sums[ITEM_M][ITEM_N / 4]) {
#pragma unroll UNROLL
  for (uint k = 0; k < TILE_K; k++) {
    float4 b[ITEM_N / 4];
#pragma unroll
    for (uint j = 0; j < ITEM_N / 4; j++) b[j] = *(__local const float4 *)(right + k * RIGHT_STRIDE + j * SPAN_N);
#pragma unroll
    for (uint i = 0; i < ITEM_M; i += 4) {
      const float4 a = *(__local const float4 *)(left + k * LEFT_STRIDE + i / 4 * SPAN_M);
      ADD_ROW(i, a.x)
      ADD_ROW(i + 1, a.y)
      ADD_ROW(i + 2, a.z)
      ADD_ROW(i + 3, a.w)
    }
  }
}

__attribute__((reqd_work_group_size(GROUP_ITEMS, 1, 1))) SUB_GROUPS __kernel void matmul(
    INPUT(input), INPUT(scales), WEIGHT(weight), INPUT(bias), INPUT(residual), OUTPUT(output),
    OUTPUT(derivative), OUTPUT(slopes), const uint rows, const uint columns, const uint depth,
    const uint padded_inputs, const uint prompts, const uint tokens, const uint has_bias, const uint activation,
    const uint has_derivative, const uint has_slopes, const uint residual_rows) {
  __local float4 left_quads[TILE_K * LEFT_STRIDE / 4], right_quads[TILE_K * RIGHT_STRIDE / 4];
  __local float *left = (__local float *)left_quads, *right = (__local float *)right_quads;
  const uint item = get_local_id(0), first_row = get_group_id(0) * TILE_M, first_column = get_group_id(1) * TILE_N;
  // Blocks of 4 × 8 items start together on most GPUs: together they read few words of the tiles. Items i and i ^ 1 read
  // the same columns, i and i ^ 2 the same rows: NVIDIA's local memory serves such pairs of quads at once.
  const uint block = item / 32, lane = item % 32;
  const uint item_m = (block / (ITEMS_N / 8) * 4 + lane / 16 * 2 + lane % 2) * 4;
  const uint item_n = (block % (ITEMS_N / 8) * 8 + lane / 2 % 8) * 4;

  GO_TO_WEIGHT
  delivery next;
  const uint item_k = item % QUADS_K * 4;
#pragma unroll
  for (uint i = 0; i < LEFT_QUADS; i++) {
    const uint row = min(first_row + (item + i * GROUP_ITEMS) / QUADS_K, rows - 1);
    next.rows[i] = ROW(input, SCALED ? shared_row(row, prompts, tokens) : row);
    if (SCALED) next.scales[i] = ROW(scales, row / tokens);
  }
  const uint line = SIDE_INPUTS ? item / QUADS_N : first_column + item / QUADS_K;
  next.weight = weight + (ulong)line * padded_inputs + (SIDE_INPUTS ? first_column + item % QUADS_N * 4 : item_k);
  next.weight_step = GROUP_ITEMS / (SIDE_INPUTS ? QUADS_N : QUADS_K) * padded_inputs;

  float4 sums[ITEM_M][ITEM_N / 4];
#pragma unroll
  for (uint i = 0; i < ITEM_M; i++)
#pragma unroll
    for (uint j = 0; j < ITEM_N / 4; j++) sums[i][j] = (float4)(0.0f);

  fetch(&next, item_k, depth, padded_inputs);
  for (uint k = 0; k < depth; k += TILE_K) {
    barrier(CLK_LOCAL_MEM_FENCE);
    put(&next, item, left, right);
    barrier(CLK_LOCAL_MEM_FENCE);
    if (k + TILE_K < depth) fetch(&next, k + TILE_K + item_k, depth, padded_inputs);
    add_step(left + item_m, right + item_n, sums);
  }

  GO_TO_OUTPUT
  // A row of every item at a time goes through local memory, so that neighbours store neighbours. Unrolled, because
  // PoCL 6.0 loses one of the sums in one of a hundred builds where they are read in a loop with barriers.
  const epilogue end = EPILOGUE;
#pragma unroll
  for (uint i = 0; i < ITEM_M; i++) {
    barrier(CLK_LOCAL_MEM_FENCE);
#pragma unroll
    for (uint j = 0; j < ITEM_N / 4; j++)
      *(__local float4 *)(right + item_m / 4 * TILE_N + j * SPAN_N + item_n) = sums[i][j];
    barrier(CLK_LOCAL_MEM_FENCE);
    for (uint e = item; e < ITEMS_M * TILE_N; e += GROUP_ITEMS) {
      const uint row = first_row + i / 4 * SPAN_M + e / TILE_N * 4 + i % 4;
      if (row < rows) finish(&end, row, first_column + e % TILE_N, right[e]);
    }
  }
}
