// gradient[g · token_count + j] = Σ_h weights[g · rows_per_group + h][j] · upstream[(g · rows_per_group + h) % upstream_rows],
// added in ascending order of h, on top of the gradient where it accumulates: Compute/Operations/TokenSums.swift.
//
// A work-item per SPAN elements of a row: one on a GPU, where neighbours read neighbours, vectors of them on a processor.

__kernel void token_sums_backward(
    INPUT(weights), INPUT(upstream), OUTPUT(gradient), const uint rows_per_group, const uint upstream_rows,
    const uint token_count, const uint accumulates, const uint rows, const uint columns) {
  const uint end = span_end(columns);
  EACH_ROW(row, rows) {
    const uint first = row / token_count * rows_per_group;
    __global const float *w = ROW(weights, first) + row % token_count;
    __global float *y = ROW(gradient, row);
    for (uint column = span_begin(); column < end; column += LANES) {
      const uint count = end - column;
      vfloat sum = accumulates ? load_up_to(y + column, count) : (vfloat)(0.0f);
      for (uint item = 0; item < rows_per_group; item++)
        sum = fma(
            (vfloat)(w[(ulong)item * weights_stride]),
            load_up_to(ROW(upstream, (first + item) % upstream_rows) + column, count), sum);
      store_up_to(y + column, sum, count);
    }
  }
}
