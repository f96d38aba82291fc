// output = input / max(‖input‖₂, 1e-12) over each row, and the divisors (Compute/Operations/NormalizeRows.swift).
//
// One work-item per row: LANES partial sums, joined in a fixed order.

__kernel __attribute__((reqd_work_group_size(1, 1, 1))) void normalize_rows(
    INPUT(input), OUTPUT(output), OUTPUT(norms), const uint columns) {
  const uint row = get_global_id(0);
  __global const float *x = ROW(input, row);
  __global float *y = ROW(output, row);

  vfloat squares = (vfloat)(0.0f);
  for (uint column = 0; column < columns; column += LANES) {
    const vfloat v = load_up_to(x + column, columns - column);
    squares = fma(v, v, squares);
  }
  const float length = sqrt(sum_of_lanes(squares));
  const float norm = length < 1e-12f ? 1e-12f : length;
  for (uint column = 0; column < columns; column += LANES) {
    const uint count = columns - column;
    store_up_to(y + column, load_up_to(x + column, count) / norm, count);
  }
  *ROW(norms, row) = norm;
}
