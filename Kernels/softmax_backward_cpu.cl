// gradient = output ⊙ (upstream − Σ(upstream ⊙ output)) over each row (Compute/Operations/Softmax.swift).
//
// One work-item per row: LANES partial sums, joined in a fixed order.

__kernel __attribute__((reqd_work_group_size(1, 1, 1))) void softmax_backward(
    INPUT(upstream), INPUT(output), OUTPUT(gradient), const uint columns) {
  const uint row = get_global_id(0);
  __global const float *g = ROW(upstream, row), *y = ROW(output, row);
  __global float *to = ROW(gradient, row);

  vfloat sums = (vfloat)(0.0f);
  for (uint column = 0; column < columns; column += LANES) {
    const uint count = columns - column;
    sums = fma(load_up_to(g + column, count), load_up_to(y + column, count), sums);
  }
  const float along = sum_of_lanes(sums);
  for (uint column = 0; column < columns; column += LANES) {
    const uint count = columns - column;
    store_up_to(to + column, load_up_to(y + column, count) * (load_up_to(g + column, count) - along), count);
  }
}
