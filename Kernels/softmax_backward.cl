// gradient = output ⊙ (upstream − Σ(upstream ⊙ output)) over each row (Compute/Operations/Softmax.swift).
//
// One work-group of GROUP items per row; item i takes columns i, i + GROUP, …, and a tree joins the sums.

__kernel __attribute__((reqd_work_group_size(GROUP, 1, 1))) void softmax_backward(
    INPUT(upstream), INPUT(output), OUTPUT(gradient), const uint columns) {
  __local float values[GROUP];
  const uint row = get_group_id(0), item = get_local_id(0);
  __global const float *g = ROW(upstream, row), *y = ROW(output, row);
  __global float *to = ROW(gradient, row);

  float sum = 0.0f;
  for (uint column = item; column < columns; column += GROUP) sum = fma(g[column], y[column], sum);
  const float along = sum_of_group(sum, values);
  for (uint column = item; column < columns; column += GROUP) to[column] = y[column] * (g[column] - along);
}
