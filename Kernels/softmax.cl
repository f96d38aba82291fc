// output = exp(factor · (input − max)) / Σ exp(factor · (input − max)) over each row
// (Compute/Operations/Softmax.swift).
//
// One work-group of GROUP items per row; item i takes columns i, i + GROUP, … and reads back only what it wrote itself.
// Trees join the items' largest values and sums.

__kernel __attribute__((reqd_work_group_size(GROUP, 1, 1))) void softmax(
    INPUT(input), OUTPUT(output), const real factor, const uint columns) {
  __local real values[GROUP];
  const uint row = get_group_id(0), item = get_local_id(0);
  __global const real *x = ROW(input, row);
  __global real *y = ROW(output, row);

  real largest = -INFINITY;
  for (uint column = item; column < columns; column += GROUP) largest = fmax(largest, x[column]);
  largest = largest_of_group(largest, values);

  real sum = 0.0f;
  for (uint column = item; column < columns; column += GROUP) {
    const real e = exponential((x[column] - largest) * factor);
    y[column] = e;
    sum += e;
  }
  const real inverse = 1.0f / sum_of_group(sum, values);
  for (uint column = item; column < columns; column += GROUP) y[column] *= inverse;
}
