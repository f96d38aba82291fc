// output[g] = the mean of input rows g · rows_per_group …, added in ascending order (Compute/Operations/MeanRows.swift).
//
// A work-item per SPAN columns of a group, which goes down the rows with its sums in registers:
//
//            ┌── SPAN ──┐
//   row 0    ■ ■ ■ ■ ■ ■ · · ·           one column on a GPU, where the neighbour takes the next; on a processor several
//   row 1    ■ ■ ■ ■ ■ ■ · · ·           cache lines, before the next row, which may lie 32 KiB further
//    ↓

#define VECTORS (SPAN / LANES)

static void mean_of_columns(
    __global const float *x, uint stride, uint rows, __global float *y, uint column, uint count) {
  vfloat sum = (vfloat)(0.0f);
  for (uint row = 0; row < rows; row++) sum += load_up_to(x + (ulong)row * stride + column, count);
  store_up_to(y + column, sum / (float)rows, count);
}

__kernel void mean_rows(
    INPUT(input), OUTPUT(output), const uint rows_per_group, const uint groups, const uint columns) {
  const uint begin = span_begin(), end = span_end(columns);
  EACH_ROW(group, groups) {
    __global const float *x = ROW(input, group * rows_per_group);
    __global float *y = ROW(output, group);
    if (begin + SPAN > columns) {
      for (uint column = begin; column < end; column += LANES)
        mean_of_columns(x, input_stride, rows_per_group, y, column, end - column);
      continue;
    }
    vfloat sums[VECTORS];
    for (uint v = 0; v < VECTORS; v++) sums[v] = (vfloat)(0.0f);
    for (uint row = 0; row < rows_per_group; row++)
      for (uint v = 0; v < VECTORS; v++) sums[v] += load(x + (ulong)row * input_stride + begin + v * LANES);
    for (uint v = 0; v < VECTORS; v++) store(y + begin + v * LANES, sums[v] / (float)rows_per_group);
  }
}
