// gradient[b · prompts + p] = (t_p − (t_p · f_b) f_b) / norms_b, with the directions t and the normalised rows f of the
// images b (Compute/Operations/NormalizeRows.swift).
//
// One work-item per row: LANES partial sums, joined in a fixed order.

__kernel __attribute__((reqd_work_group_size(1, 1, 1))) void normalize_rows_backward(
    INPUT(directions), INPUT(normalized), INPUT(norms), OUTPUT(gradient), const uint prompts, const uint columns) {
  const uint row = get_global_id(0), image = row / prompts;
  __global const float *t = ROW(directions, row % prompts), *f = ROW(normalized, image);
  __global float *y = ROW(gradient, row);

  vfloat sums = (vfloat)(0.0f);
  for (uint column = 0; column < columns; column += LANES) {
    const uint count = columns - column;
    sums = fma(load_up_to(t + column, count), load_up_to(f + column, count), sums);
  }
  const float along = sum_of_lanes(sums), norm = *ROW(norms, image);
  for (uint column = 0; column < columns; column += LANES) {
    const uint count = columns - column;
    const vfloat direction = load_up_to(t + column, count), unit = load_up_to(f + column, count);
    store_up_to(y + column, fma((vfloat)(-along), unit, direction) / norm, count);
  }
}
