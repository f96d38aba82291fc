// output[g] = the mean of input rows g · rows_per_group …, added in ascending order (Compute/Operations/MeanRows.swift).
//
// A work-item per VECTORS · LANES columns of a group: dimension 0 is the columns, dimension 1 the group. It goes down
// the rows with its sums in registers:
//
//            ┌ VECTORS · LANES ┐
//   row 0    ■ ■ ■ ■ · · · ·             a processor reads whole cache lines in a row before it goes
//   row 1    ■ ■ ■ ■ · · · ·             to the next, which may be 32 KiB away; on a GPU the neighbour
//    ↓                                   takes the next column
#ifndef VECTORS
#if LANES == 16
#define VECTORS 8
#else
#define VECTORS 1
#endif
#endif

__kernel void mean_rows(
    INPUT(input), OUTPUT(output), const uint rows_per_group, const uint groups, const uint columns) {
  const uint group = get_global_id(1), begin = get_global_id(0) * (VECTORS * LANES);
  if (group >= groups || begin >= columns) return;
  __global const float *x = ROW(input, group * rows_per_group) + begin;
  __global float *y = ROW(output, group) + begin;
  const uint count = columns - begin;
  if (count >= VECTORS * LANES) {
    vfloat sums[VECTORS];
    for (uint v = 0; v < VECTORS; v++) sums[v] = (vfloat)(0.0f);
    for (uint row = 0; row < rows_per_group; row++)
      for (uint v = 0; v < VECTORS; v++) sums[v] += load(x + (ulong)row * input_stride + v * LANES);
    for (uint v = 0; v < VECTORS; v++) store(y + v * LANES, sums[v] / (float)rows_per_group);
    return;
  }
  for (uint column = 0; column < count; column += LANES) {
    vfloat sum = (vfloat)(0.0f);
    for (uint row = 0; row < rows_per_group; row++)
      sum += load_up_to(x + (ulong)row * input_stride + column, count - column);
    store_up_to(y + column, sum / (float)rows_per_group, count - column);
  }
}
