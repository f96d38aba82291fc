// The gradient at a projection's input through a folded weight (Compute/Operations/FoldedNormBackward.swift):
//
//   output = addend + r · (product − (slopes · scales) / columns · projected).
//
// One work-group of GROUP items per row of the stack; item i takes columns i, i + GROUP, …, and a tree joins the sums.

__kernel __attribute__((reqd_work_group_size(GROUP, 1, 1))) void folded_norm_backward(
    INPUT(product), INPUT(slopes), INPUT(scales), INPUT(projected), INPUT(statistics), INPUT(addend), OUTPUT(output),
    const uint hidden, const uint prompts, const uint tokens, const uint columns) {
  __local float values[GROUP];
  const uint row = get_group_id(0), item = get_local_id(0), shared = shared_row(row, prompts, tokens);
  __global const float *slope = ROW(slopes, shared), *scale = ROW(scales, row / tokens);
  __global const float *p = ROW(product, row), *z = ROW(projected, shared), *added = ROW(addend, row / tokens);
  __global float *y = ROW(output, row);
  const float inverse = ROW(statistics, shared)[1];

  float sum = 0.0f;
  for (uint column = item; column < hidden; column += GROUP) sum = fma(slope[column], scale[column], sum);
  const float along = sum_of_group(sum, values) / (float)columns;

  for (uint column = item; column < columns; column += GROUP)
    y[column] = fma(fma(-z[column], along, p[column]), inverse, added[column]);
}
