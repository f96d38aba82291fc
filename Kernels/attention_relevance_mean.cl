// relevance[row][key] = Σ_head sums[row][head][key] / (heads · tokens), the heads in ascending order: what ends
// Compute/Operations/AttentionRelevance.swift.
//
// One work-item per element: dimension 0 is the key, dimension 1 the row.

__kernel void attention_relevance_mean(
    __global const float *sums, OUTPUT(relevance), const uint heads, const uint rows, const uint tokens) {
  const uint key = get_global_id(0), row = get_global_id(1);
  if (key >= tokens || row >= rows) return;
  float sum = 0.0f;
  for (uint head = 0; head < heads; head++) sum += sums[((ulong)row * heads + head) * tokens + key];
  ROW(relevance, row)[key] = sum / ((float)heads * (float)tokens);
}
