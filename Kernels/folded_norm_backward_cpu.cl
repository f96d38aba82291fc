// The gradient at a projection's input through a folded weight (Compute/Operations/FoldedNormBackward.swift):
//
//   output = addend + r · (product − (slopes · scales) / columns · projected).
//
// One work-item per row of the stack: LANES partial sums, joined in a fixed order.

__kernel __attribute__((reqd_work_group_size(1, 1, 1))) void folded_norm_backward(
    INPUT(product), INPUT(slopes), INPUT(scales), INPUT(projected), INPUT(statistics), INPUT(addend), OUTPUT(output),
    const uint hidden, const uint prompts, const uint tokens, const uint columns) {
  const uint row = get_global_id(0), shared = shared_row(row, prompts, tokens);
  __global const float *slope = ROW(slopes, shared), *scale = ROW(scales, row / tokens);
  __global const float *p = ROW(product, row), *z = ROW(projected, shared), *added = ROW(addend, row / tokens);
  __global float *y = ROW(output, row);
  const float inverse = ROW(statistics, shared)[1];

  vfloat sums = (vfloat)(0.0f);
  for (uint column = 0; column < hidden; column += LANES) {
    const uint count = hidden - column;
    sums = fma(load_up_to(slope + column, count), load_up_to(scale + column, count), sums);
  }
  const float along = sum_of_lanes(sums) / (float)columns;

  for (uint column = 0; column < columns; column += LANES) {
    const uint count = columns - column;
    const vfloat rest = fma(-load_up_to(z + column, count), (vfloat)(along), load_up_to(p + column, count));
    store_up_to(y + column, fma(rest, (vfloat)(inverse), load_up_to(added + column, count)), count);
  }
}
