// output = epilogue(left · weightᵀ) or, with SIDE_INPUTS, epilogue(left · weight): the portable variant of
// Compute/Operations/Matmul.swift, on a weight from pack_weight.cl.
//
//   sum[r][c] = Σ_k left[r][k] · right[k][c], right[k][c] = weight[c][k], or weight[k][c] with SIDE_INPUTS
//   left[r]   = input[r], or input[shared row of r] ⊙ scales[r / tokens] with has_scales
//
//              TILE_COLUMNS            A work-group computes one tile of the output. Step by step, TILE_DEPTH of k at a
//             ┌────────────┐           time, its items fetch the next pieces of both operands into registers, multiply
//             │   right    │ k         the pieces that lie in local memory, and put the fetched ones there.
//   TILE_DEPTH└────────────┘
//       ┌───┐ ┌────────────┐           An item computes ITEM_ROWS × ITEM_COLUMNS sums in groups of four rows and four
//       │   │ │ ■■··  ■■·· │           columns, TILE / (ITEM / 4) apart: its neighbours read the neighbouring four
//       │ l │ │ ■■··  ■■·· │           columns from local memory, without bank conflicts, and it reads four floats
//  TILE_│ e │ │            │           at a time.
//  ROWS │ f │ │ ■■··  ■■·· │
//       │ t │ │ ■■··  ■■·· │           Both pieces lie in local memory as [k][row or column].
//       └───┘ └────────────┘
//
// Dimension 0 has a group of ITEMS per tile of columns, dimension 1 an item per tile of rows. Each sum is one chain of
// fma over ascending k, so that tiles of all sizes give the same bits.

#ifndef STORAGE
#define STORAGE 0  // of the weight: 0 float32, 1 float16, 2 bfloat16
#endif
#ifndef SIDE_INPUTS
#define SIDE_INPUTS 0
#endif
#ifndef TILE_ROWS
#define TILE_ROWS 64
#endif
#ifndef TILE_COLUMNS
#define TILE_COLUMNS 64
#endif
#ifndef TILE_DEPTH
#define TILE_DEPTH 16
#endif
#ifndef ITEM_ROWS
#define ITEM_ROWS 4
#endif
#ifndef ITEM_COLUMNS
#define ITEM_COLUMNS 8
#endif

#define ITEMS_ACROSS (TILE_COLUMNS / ITEM_COLUMNS)
#define ITEMS (TILE_ROWS / ITEM_ROWS * ITEMS_ACROSS)
#define ROW_GROUPS (ITEM_ROWS / 4)
#define COLUMN_GROUPS (ITEM_COLUMNS / 4)
// float4 that an item fetches of each operand in a step.
#define LEFT_FETCHES (TILE_ROWS * TILE_DEPTH / 4 / ITEMS)
#define RIGHT_FETCHES (TILE_COLUMNS * TILE_DEPTH / 4 / ITEMS)
// One float4 more per k, so that items that store different k meet different banks.
#define LEFT_STRIDE (TILE_ROWS / 4 + 1)
#define RIGHT_STRIDE (TILE_COLUMNS / 4 + 1)

#if STORAGE == 0
typedef float stored;
static inline float4 four_stored(__global const stored *from) { return vload4(0, from); }
#elif STORAGE == 1
typedef half stored;
static inline float4 four_stored(__global const stored *from) { return vload_half4(0, from); }
#else
typedef ushort stored;
static inline float4 four_stored(__global const stored *from) {
  return as_float4(convert_uint4(vload4(0, from)) << (uint4)(16));
}
#endif

// Four elements of a row of the left operand from `k` on; zeros past the last.
static inline float4 four_of_row(__global const float *row, uint k, uint depth) {
  if (k + 4 <= depth) return vload4(0, row + k);
  return (float4)(
      k < depth ? row[k] : 0.0f, k + 1 < depth ? row[k + 1] : 0.0f, k + 2 < depth ? row[k + 2] : 0.0f, 0.0f);
}

// One step: TILE_DEPTH of k from local memory.
static inline void multiply_step(
    __local const float4 *left, __local const float4 *right, uint item_row, uint item_column,
    float4 sums[ITEM_ROWS][COLUMN_GROUPS]) {
  for (uint k = 0; k < TILE_DEPTH; k++) {
    float4 a[ROW_GROUPS], b[COLUMN_GROUPS];
#pragma unroll
    for (uint g = 0; g < ROW_GROUPS; g++) a[g] = left[k * LEFT_STRIDE + g * (TILE_ROWS / ITEM_ROWS) + item_row];
#pragma unroll
    for (uint g = 0; g < COLUMN_GROUPS; g++) b[g] = right[k * RIGHT_STRIDE + g * ITEMS_ACROSS + item_column];
#pragma unroll
    for (uint g = 0; g < ROW_GROUPS; g++)
#pragma unroll
      for (uint c = 0; c < COLUMN_GROUPS; c++) {
        sums[4 * g][c] = fma((float4)(a[g].x), b[c], sums[4 * g][c]);
        sums[4 * g + 1][c] = fma((float4)(a[g].y), b[c], sums[4 * g + 1][c]);
        sums[4 * g + 2][c] = fma((float4)(a[g].z), b[c], sums[4 * g + 2][c]);
        sums[4 * g + 3][c] = fma((float4)(a[g].w), b[c], sums[4 * g + 3][c]);
      }
  }
}

// Where an item finds its share of the left operand's next piece, and the rows that scale it.
typedef struct {
  __global const float *rows[LEFT_FETCHES];
  __global const float *scales[LEFT_FETCHES];
} left_rows;

static inline void fetch_left(
    const left_rows *rows, uint item, uint first, uint depth, uint has_scales, float4 fetched[LEFT_FETCHES]) {
#pragma unroll
  for (uint i = 0; i < LEFT_FETCHES; i++) {
    const uint k = first + (item + i * ITEMS) % (TILE_DEPTH / 4) * 4;
    fetched[i] = four_of_row(rows->rows[i], k, depth);
    if (has_scales) fetched[i] *= four_of_row(rows->scales[i], k, depth);
  }
}

static inline void fetch_right(
    __global const stored *weight, uint padded_inputs, uint column, uint item, uint first,
    float4 fetched[RIGHT_FETCHES]) {
#pragma unroll
  for (uint i = 0; i < RIGHT_FETCHES; i++) {
    const uint number = item + i * ITEMS;
#if SIDE_INPUTS
    const ulong row = first + number / (TILE_COLUMNS / 4), at = column + number % (TILE_COLUMNS / 4) * 4;
#else
    const ulong row = column + number / (TILE_DEPTH / 4), at = first + number % (TILE_DEPTH / 4) * 4;
#endif
    fetched[i] = four_stored(weight + row * padded_inputs + at);
  }
}

// Four elements along k of one row (or column) go to four rows of local memory.
static inline void store_turned(__local float4 *piece, uint stride, uint number, float4 fetched) {
  __local float *to = (__local float *)piece + number % (TILE_DEPTH / 4) * 4 * stride * 4 + number / (TILE_DEPTH / 4);
  to[0] = fetched.x;
  to[4 * stride] = fetched.y;
  to[8 * stride] = fetched.z;
  to[12 * stride] = fetched.w;
}

__attribute__((reqd_work_group_size(ITEMS, 1, 1))) __kernel void matmul(
    INPUT(input), INPUT(scales), __global const stored *weight, INPUT(bias), INPUT(residual), OUTPUT(output),
    OUTPUT(derivative), const uint rows, const uint columns, const uint depth, const uint padded_inputs,
    const uint has_scales, const uint prompts, const uint tokens, const uint has_bias, const uint activation,
    const uint has_derivative, const uint residual_rows) {
  __local float4 left[TILE_DEPTH * LEFT_STRIDE], right[TILE_DEPTH * RIGHT_STRIDE];
  const uint item = get_local_id(0), item_row = item / ITEMS_ACROSS, item_column = item % ITEMS_ACROSS;
  const uint column = get_group_id(0) * TILE_COLUMNS, row = get_group_id(1) * TILE_ROWS;

  left_rows mine;
#pragma unroll
  for (uint i = 0; i < LEFT_FETCHES; i++) {
    // Rows past the last one repeat it; nobody stores their sums.
    const uint r = min(row + (item + i * ITEMS) / (TILE_DEPTH / 4), rows - 1);
    mine.rows[i] = ROW(input, has_scales ? shared_row(r, prompts, tokens) : r);
    mine.scales[i] = ROW(scales, has_scales ? r / tokens : 0);
  }
  float4 sums[ITEM_ROWS][COLUMN_GROUPS], next_left[LEFT_FETCHES], next_right[RIGHT_FETCHES];
#pragma unroll
  for (uint r = 0; r < ITEM_ROWS; r++)
#pragma unroll
    for (uint c = 0; c < COLUMN_GROUPS; c++) sums[r][c] = (float4)(0.0f);

  fetch_left(&mine, item, 0, depth, has_scales, next_left);
  fetch_right(weight, padded_inputs, column, item, 0, next_right);
  for (uint first = 0; first < depth; first += TILE_DEPTH) {
    barrier(CLK_LOCAL_MEM_FENCE);
#pragma unroll
    for (uint i = 0; i < LEFT_FETCHES; i++) store_turned(left, LEFT_STRIDE, item + i * ITEMS, next_left[i]);
#pragma unroll
    for (uint i = 0; i < RIGHT_FETCHES; i++) {
      const uint number = item + i * ITEMS;
#if SIDE_INPUTS
      right[number / (TILE_COLUMNS / 4) * RIGHT_STRIDE + number % (TILE_COLUMNS / 4)] = next_right[i];
#else
      store_turned(right, RIGHT_STRIDE, number, next_right[i]);
#endif
    }
    barrier(CLK_LOCAL_MEM_FENCE);
    if (first + TILE_DEPTH < depth) {
      fetch_left(&mine, item, first + TILE_DEPTH, depth, has_scales, next_left);
      fetch_right(weight, padded_inputs, column, item, first + TILE_DEPTH, next_right);
    }
    multiply_step(left, right, item_row, item_column, sums);
  }

  const epilogue end = EPILOGUE;
#pragma unroll
  for (uint r = 0; r < ITEM_ROWS; r++) {
    const uint at = row + r / 4 * (TILE_ROWS / ROW_GROUPS) + item_row * 4 + r % 4;
    if (at >= rows) continue;
#pragma unroll
    for (uint c = 0; c < COLUMN_GROUPS; c++) {
      const uint first = column + c * (TILE_COLUMNS / COLUMN_GROUPS) + item_column * 4;
      finish(&end, at, first, sums[r][c].x);
      finish(&end, at, first + 1, sums[r][c].y);
      finish(&end, at, first + 2, sums[r][c].z);
      finish(&end, at, first + 3, sums[r][c].w);
    }
  }
}
