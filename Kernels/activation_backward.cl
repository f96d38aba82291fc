// gradient[r] = derivative[shared row of r] ⊙ upstream[r], or ⊙ upstream[prompt of r] where the upstream has one row per
// prompt of an image (Compute/Operations/Activate.swift).
//
// A work-item per SPAN elements of a row: one on a GPU, where neighbours read neighbours, vectors of them on a processor.

__kernel void activation_backward(
    INPUT(upstream), INPUT(derivative), OUTPUT(gradient), const uint has_row_per_prompt, const uint prompts,
    const uint tokens, const uint rows, const uint columns) {
  const uint end = span_end(columns);
  EACH_ROW(row, rows) {
    __global const float *g = ROW(upstream, has_row_per_prompt ? row / tokens : row);
    __global const float *slopes = ROW(derivative, shared_row(row, prompts, tokens));
    __global float *to = ROW(gradient, row);
    for (uint column = span_begin(); column < end; column += LANES) {
      const uint count = end - column;
      store_up_to(to + column, load_up_to(g + column, count) * load_up_to(slopes + column, count), count);
    }
  }
}
