// output = scale ⊙ (input − mean) / √(variance + epsilon) + shift over each row (Compute/Operations/LayerNorm.swift).
//
// One work-item per row: LANES partial sums, joined in a fixed order. The variance is that of the deviations, from a
// second pass over a row that is still in the first-level cache: E[x²] − mean² would cancel where the mean is large.

__kernel __attribute__((reqd_work_group_size(1, 1, 1))) void layer_norm(
    INPUT(input), INPUT(scale), INPUT(shift), OUTPUT(output), OUTPUT(statistics), const uint has_statistics,
    const float epsilon, const uint columns) {
  const uint row = get_global_id(0);
  __global const float *x = ROW(input, row), *scales = ROW(scale, 0), *shifts = ROW(shift, 0);
  __global float *y = ROW(output, row);

  vfloat sums = (vfloat)(0.0f);
  for (uint column = 0; column < columns; column += LANES) sums += load_up_to(x + column, columns - column);
  const float mean = sum_of_lanes(sums) / (float)columns;

  vfloat squares = (vfloat)(0.0f);
  for (uint column = 0; column < columns; column += LANES) {
    const uint count = columns - column;
    const vfloat deviation = only_first(load_up_to(x + column, count) - mean, count, 0.0f);
    squares = fma(deviation, deviation, squares);
  }
  const float inverse = 1.0f / sqrt(sum_of_lanes(squares) / (float)columns + epsilon);

  for (uint column = 0; column < columns; column += LANES) {
    const uint count = columns - column;
    const vfloat normalized = (load_up_to(x + column, count) - mean) * inverse;
    store_up_to(
        y + column, fma(normalized, load_up_to(scales + column, count), load_up_to(shifts + column, count)), count);
  }
  if (has_statistics) {
    ROW(statistics, row)[0] = mean;
    ROW(statistics, row)[1] = inverse;
  }
}
