// output = scale ⊙ (input − mean) / √(variance + epsilon) + shift over each row (Compute/Operations/LayerNorm.swift).
//
// One work-group of GROUP items per row; item i takes columns i, i + GROUP, …, so that neighbours read neighbours:
//
//   column   0 1 2 … GROUP−1 | GROUP …        each item sums its own, then a tree joins the items
//   item     0 1 2 … GROUP−1 | 0 1 2 …
//
// The variance is that of the deviations, from a second pass: E[x²] − mean² would cancel where the mean is large.

__kernel __attribute__((reqd_work_group_size(GROUP, 1, 1))) void layer_norm(
    INPUT(input), INPUT(scale), INPUT(shift), OUTPUT(output), OUTPUT(statistics), const uint has_statistics,
    const float epsilon, const uint columns) {
  __local real values[GROUP];
  const uint row = get_group_id(0), item = get_local_id(0);
  __global const real *x = ROW(input, row), *scales = ROW(scale, 0), *shifts = ROW(shift, 0);
  __global real *y = ROW(output, row);

  real sum = 0.0f;
  for (uint column = item; column < columns; column += GROUP) sum += x[column];
  const real mean = sum_of_group(sum, values) / (real)columns;

  real squares = 0.0f;
  for (uint column = item; column < columns; column += GROUP) {
    const real deviation = x[column] - mean;
    squares = fma(deviation, deviation, squares);
  }
  const real inverse = 1.0f / sqrt(sum_of_group(squares, values) / (real)columns + epsilon);

  for (uint column = item; column < columns; column += GROUP)
    y[column] = fma((x[column] - mean) * inverse, scales[column], shifts[column]);
  if (has_statistics && item == 0) {
    ROW(statistics, row)[0] = mean;
    ROW(statistics, row)[1] = inverse;
  }
}
