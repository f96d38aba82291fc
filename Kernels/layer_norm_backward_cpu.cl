// The gradient of a layer norm's input (Compute/Operations/LayerNorm.swift): with x̂ = (input − mean) · r of the shared
// row and ĝ = scale ⊙ upstream,
//
//   output = r · (ĝ − mean(ĝ) − x̂ · mean(ĝ ⊙ x̂)) · factor + addend.
//
// One work-item per row of the stack: LANES partial sums, joined in a fixed order.

__kernel __attribute__((reqd_work_group_size(1, 1, 1))) void layer_norm_backward(
    INPUT(upstream), INPUT(input), INPUT(statistics), INPUT(scale), INPUT(addend), OUTPUT(output),
    const uint has_row_per_prompt, const uint has_addend, const uint prompts, const uint tokens,
    const uint rows_per_scale, const float factor, const uint columns) {
  const uint row = get_global_id(0), shared = shared_row(row, prompts, tokens);
  __global const float *g = ROW(upstream, has_row_per_prompt ? row / tokens : row);
  __global const float *x = ROW(input, shared), *scales = ROW(scale, row / rows_per_scale);
  __global const float *added = ROW(addend, row / tokens);
  __global float *y = ROW(output, row);
  const float mean = ROW(statistics, shared)[0], inverse = ROW(statistics, shared)[1];

  // ĝ is 0 past the last column, whatever x̂ is there.
  vfloat sums = (vfloat)(0.0f), products = (vfloat)(0.0f);
  for (uint column = 0; column < columns; column += LANES) {
    const uint count = columns - column;
    const vfloat scaled = load_up_to(g + column, count) * load_up_to(scales + column, count);
    sums += scaled;
    products = fma(scaled, (load_up_to(x + column, count) - mean) * inverse, products);
  }
  const float gradient_mean = sum_of_lanes(sums) / (float)columns;
  const float along = sum_of_lanes(products) / (float)columns;

  for (uint column = 0; column < columns; column += LANES) {
    const uint count = columns - column;
    const vfloat normalized = (load_up_to(x + column, count) - mean) * inverse;
    const vfloat scaled = load_up_to(g + column, count) * load_up_to(scales + column, count);
    vfloat gradient = fma(-normalized, (vfloat)(along), scaled - gradient_mean) * (inverse * factor);
    if (has_addend) gradient += load_up_to(added + column, count);
    store_up_to(y + column, gradient, count);
  }
}
