// relevance[row][key] = Σ_head sums[row][head][key] / (heads · tokens), the heads in ascending order: the end of
// Compute/Operations/AttentionRelevance.swift.
//
// A work-item per SPAN elements of a row.

__kernel void attention_relevance_mean(
    __global const float *sums, OUTPUT(relevance), const uint heads, const uint rows, const uint tokens) {
  const uint end = span_end(tokens);
  EACH_ROW(row, rows) {
    __global const float *row_sums = sums + (ulong)row * heads * tokens;
    for (uint key = span_begin(); key < end; key += LANES) {
      vfloat sum = (vfloat)(0.0f);
      for (uint head = 0; head < heads; head++) sum += load_up_to(row_sums + (ulong)head * tokens + key, end - key);
      store_up_to(ROW(relevance, row) + key, sum / ((float)heads * (float)tokens), end - key);
    }
  }
}
