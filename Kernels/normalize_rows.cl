// output = input / max(‖input‖₂, 1e-12) over each row, and the divisors (Compute/Operations/NormalizeRows.swift).
//
// One work-group of GROUP items per row; item i takes columns i, i + GROUP, …, and a tree joins the sums.

__kernel __attribute__((reqd_work_group_size(GROUP, 1, 1))) void normalize_rows(
    INPUT(input), OUTPUT(output), OUTPUT(norms), const uint columns) {
  __local float values[GROUP];
  const uint row = get_group_id(0), item = get_local_id(0);
  __global const float *x = ROW(input, row);
  __global float *y = ROW(output, row);

  float squares = 0.0f;
  for (uint column = item; column < columns; column += GROUP) squares = fma(x[column], x[column], squares);
  const float length = sqrt(sum_of_group(squares, values));
  const float norm = length < 1e-12f ? 1e-12f : length;
  for (uint column = item; column < columns; column += GROUP) y[column] = x[column] / norm;
  if (item == 0) *ROW(norms, row) = norm;
}
