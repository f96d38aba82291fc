// sums[r] = Σ_j weights[r][j] · tokens[image(r) · token_count + j], added in ascending order of tokens:
// Compute/Operations/TokenSums.swift.
//
// A work-item per SPAN columns of a row of sums, which goes down the tokens of the row's image with its sums in
// registers, as mean_rows does.

#define VECTORS (SPAN / LANES)

static void sum_of_columns(
    __global const float *weights, __global const float *x, uint stride, uint tokens, __global float *y, uint column,
    uint count) {
  vfloat sum = (vfloat)(0.0f);
  for (uint token = 0; token < tokens; token++)
    sum = fma((vfloat)(weights[token]), load_up_to(x + (ulong)token * stride + column, count), sum);
  store_up_to(y + column, sum, count);
}

__kernel void token_sums(
    INPUT(weights), INPUT(tokens), OUTPUT(sums), const uint rows_per_image, const uint token_count, const uint rows,
    const uint columns) {
  const uint begin = span_begin(), end = span_end(columns);
  EACH_ROW(row, rows) {
    __global const float *w = ROW(weights, row), *x = ROW(tokens, row / rows_per_image * token_count);
    __global float *y = ROW(sums, row);
    if (begin + SPAN > columns) {
      for (uint column = begin; column < end; column += LANES)
        sum_of_columns(w, x, tokens_stride, token_count, y, column, end - column);
      continue;
    }
    vfloat totals[VECTORS];
    for (uint v = 0; v < VECTORS; v++) totals[v] = (vfloat)(0.0f);
    for (uint token = 0; token < token_count; token++)
      for (uint v = 0; v < VECTORS; v++)
        totals[v] = fma((vfloat)(w[token]), load(x + (ulong)token * tokens_stride + begin + v * LANES), totals[v]);
    for (uint v = 0; v < VECTORS; v++) store(y + begin + v * LANES, totals[v]);
  }
}
