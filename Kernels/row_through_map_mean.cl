// output[r][key] = factor · (row[r][key] + Σ_head sums[r][head][key] / heads), the heads in ascending order: the end of
// Compute/Operations/RowThroughMap.swift.
//
// A work-item per SPAN elements of a row.

__kernel void row_through_map_mean(
    __global const float *sums, INPUT(row), OUTPUT(output), const uint heads, const float factor, const uint rows,
    const uint tokens) {
  const uint end = span_end(tokens);
  EACH_ROW(r, rows) {
    __global const float *row_sums = sums + (ulong)r * heads * tokens;
    for (uint key = span_begin(); key < end; key += LANES) {
      vfloat sum = (vfloat)(0.0f);
      for (uint head = 0; head < heads; head++) sum += load_up_to(row_sums + (ulong)head * tokens + key, end - key);
      store_up_to(
          ROW(output, r) + key, factor * (load_up_to(ROW(row, r) + key, end - key) + sum / (float)heads), end - key);
    }
  }
}
