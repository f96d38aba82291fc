// scores[r · heads + h][key] = factor · (rows[r % row_count]_h · tokens[image(r) · token_count + key]_h), r counting
// images · prompts, x_h the columns of head h: Compute/Operations/KeyScores.swift.
//
// A work-item per SPAN keys of a row of scores. One row per prompt meets every token of its image: too little work to be
// worth tiles in local memory.

__kernel void key_scores(
    INPUT(rows), INPUT(tokens), OUTPUT(scores), const uint row_count, const uint heads, const uint head_width,
    const uint prompts, const float factor, const uint score_rows, const uint token_count) {
  const uint end = span_end(token_count);
  EACH_ROW(item, score_rows) {
    const uint stacked = item / heads, column = item % heads * head_width;
    __global const float *row = ROW(rows, stacked % row_count) + column;
    for (uint key = span_begin(); key < end; key++) {
      __global const float *token = ROW(tokens, stacked / prompts * token_count + key) + column;
      vfloat sum = (vfloat)(0.0f);
      for (uint c = 0; c < head_width; c += LANES)
        sum = fma(load_up_to(row + c, head_width - c), load_up_to(token + c, head_width - c), sum);
#if LANES == 16
      ROW(scores, item)[key] = factor * sum_of_lanes(sum);
#else
      ROW(scores, item)[key] = factor * sum;
#endif
    }
  }
}
