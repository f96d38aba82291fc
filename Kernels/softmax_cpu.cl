// output = exp(factor · (input − max)) / Σ exp(factor · (input − max)) over each row
// (Compute/Operations/Softmax.swift).
//
// One work-item per row: LANES partial maxima and sums, joined in a fixed order.

__kernel __attribute__((reqd_work_group_size(1, 1, 1))) void softmax(
    INPUT(input), OUTPUT(output), const float factor, const uint columns) {
  const uint row = get_global_id(0);
  __global const float *x = ROW(input, row);
  __global float *y = ROW(output, row);

  vfloat maxima = (vfloat)(-INFINITY);
  for (uint column = 0; column < columns; column += LANES) {
    const uint count = columns - column;
    maxima = fmax(maxima, only_first(load_up_to(x + column, count), count, -INFINITY));
  }
  const float largest = largest_of_lanes(maxima);

  vfloat sums = (vfloat)(0.0f);
  for (uint column = 0; column < columns; column += LANES) {
    const uint count = columns - column;
    const vfloat e = only_first(exponential((load_up_to(x + column, count) - largest) * factor), count, 0.0f);
    store_up_to(y + column, e, count);
    sums += e;
  }
  const float inverse = 1.0f / sum_of_lanes(sums);
  for (uint column = 0; column < columns; column += LANES) {
    const uint count = columns - column;
    store_up_to(y + column, load_up_to(y + column, count) * inverse, count);
  }
}
