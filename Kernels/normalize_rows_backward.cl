// gradient[b · prompts + p] = (t_p − (t_p · f_b) f_b) / norms_b, with the directions t and the normalised rows f of the
// images b (Compute/Operations/NormalizeRows.swift).
//
// One work-group of GROUP items per row; item i takes columns i, i + GROUP, …, and a tree joins the sums.

__kernel __attribute__((reqd_work_group_size(GROUP, 1, 1))) void normalize_rows_backward(
    INPUT(directions), INPUT(normalized), INPUT(norms), OUTPUT(gradient), const uint prompts, const uint columns) {
  __local float values[GROUP];
  const uint row = get_group_id(0), item = get_local_id(0), image = row / prompts;
  __global const float *t = ROW(directions, row % prompts), *f = ROW(normalized, image);
  __global float *y = ROW(gradient, row);

  float sum = 0.0f;
  for (uint column = item; column < columns; column += GROUP) sum = fma(t[column], f[column], sum);
  const float along = sum_of_group(sum, values), norm = *ROW(norms, image);
  for (uint column = item; column < columns; column += GROUP) y[column] = fma(-along, f[column], t[column]) / norm;
}
