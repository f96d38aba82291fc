// The gradient of a layer norm's input (Compute/Operations/LayerNorm.swift): with x̂ = (input − mean) · r of the shared
// row and ĝ = scale ⊙ upstream,
//
//   output = r · (ĝ − mean(ĝ) − x̂ · mean(ĝ ⊙ x̂)) · factor + addend.
//
// One work-group of GROUP items per row of the stack; item i takes columns i, i + GROUP, …, and a tree joins the sums.

__kernel __attribute__((reqd_work_group_size(GROUP, 1, 1))) void layer_norm_backward(
    INPUT(upstream), INPUT(input), INPUT(statistics), INPUT(scale), INPUT(addend), OUTPUT(output),
    const uint has_row_per_prompt, const uint has_addend, const uint prompts, const uint tokens,
    const uint rows_per_scale, const float factor, const uint columns) {
  __local float values[GROUP];
  const uint row = get_group_id(0), item = get_local_id(0), shared = shared_row(row, prompts, tokens);
  __global const float *g = ROW(upstream, has_row_per_prompt ? row / tokens : row);
  __global const float *x = ROW(input, shared), *scales = ROW(scale, row / rows_per_scale);
  __global const float *added = ROW(addend, row / tokens);
  __global float *y = ROW(output, row);
  const float mean = ROW(statistics, shared)[0], inverse = ROW(statistics, shared)[1];

  float sum = 0.0f, products = 0.0f;
  for (uint column = item; column < columns; column += GROUP) {
    const float scaled = g[column] * scales[column];
    sum += scaled;
    products = fma(scaled, (x[column] - mean) * inverse, products);
  }
  const float gradient_mean = sum_of_group(sum, values) / (float)columns;
  const float along = sum_of_group(products, values) / (float)columns;

  for (uint column = item; column < columns; column += GROUP) {
    const float normalized = (x[column] - mean) * inverse;
    const float projected = fma(-normalized, along, g[column] * scales[column] - gradient_mean);
    const float gradient = projected * (inverse * factor);
    y[column] = has_addend ? gradient + added[column] : gradient;
  }
}
