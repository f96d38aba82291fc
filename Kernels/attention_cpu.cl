// output = softmax(queries · keysᵀ / √head_width) · values, per sequence and head: the cpu variant of
// Compute/Operations/Attention.swift, on the blocks and panels of attention_tiles_cpu.cl.
//
//   map[key][query] = e^(score − the query's largest score)
//   output[query]   = Σ_key map[key][query] · values[key] / Σ_key map[key][query]
//
// One work-item computes queries_per_item queries (dimension 0) of one head (1) of one sequence (2), a panel of them at
// a time with all keys. Keys and values are copied first, and once where a block holds them all: in their matrix the
// rows of a head lie so far apart that they fall on the same few sets of a cache. Longer sequences come block by block;
// what earlier blocks have summed is scaled down when a later one has a larger score.

// Scores to e^(score − max), for one vector of queries; returns the factor for what earlier blocks have summed.
static inline vfloat exponentiate(__local vfloat *map, uint count, vfloat *max_score, vfloat *sum) {
  vfloat top = *max_score;
  for (uint row = 0; row < count; row++) {
    const vfloat score = map[row * 2];
    top = select(top, score, score > top);
  }
  const vfloat rescale = exponential(*max_score - top);
  vfloat total = *sum * rescale;
  for (uint row = 0; row < count; row++) {
    const vfloat e = exponential(map[row * 2] - top);
    map[row * 2] = e;
    total += e;
  }
  *max_score = top;
  *sum = total;
  return rescale;
}

__attribute__((reqd_work_group_size(1, 1, 1))) __kernel void attention(
    INPUT(queries), INPUT(keys), INPUT(values), OUTPUT(output), const uint head_width, const uint tokens,
    const uint is_causal, const float factor, const uint queries_per_item) {
  __local vfloat key_block[BLOCK * VECTORS], value_block[BLOCK * VECTORS];
  __local vfloat query_panel[HEAD_WIDTH * 2], map[BLOCK * 2], sums[PANEL_ROWS * VECTORS], factors[2];
  const uint column = get_global_id(1) * head_width, first_row = get_global_id(2) * tokens;
  const uint begin = get_global_id(0) * queries_per_item, end = min(begin + queries_per_item, tokens);
  uint copied = tokens;
  for (uint query = begin; query < end; query += PANEL_ROWS) {
    const uint count = min(end - query, (uint)PANEL_ROWS), seen = is_causal ? query + count : tokens;
    turn_panel(ROW(queries, first_row + query) + column, queries_stride, count, head_width, factor, query_panel);
    vfloat max_score[2], sum[2];
    max_score[0] = max_score[1] = (vfloat)(-INFINITY);
    sum[0] = sum[1] = (vfloat)(0.0f);
    for (uint key = 0; key < seen; key += BLOCK) {
      const uint key_count = min(tokens - key, (uint)BLOCK), seen_count = min(seen - key, (uint)BLOCK);
      if (copied != key) {
        copy_block(ROW(keys, first_row + key) + column, keys_stride, key_count, head_width, key_block);
        copy_block(ROW(values, first_row + key) + column, values_stride, key_count, head_width, value_block);
        copied = key;
      }
      multiply_block(key_block, seen_count, query_panel, head_width, map);
      if (is_causal) hide_later_rows((__local float *)map, key, seen_count, query);
      for (uint v = 0; v < 2; v++) factors[v] = exponentiate(map + v, seen_count, &max_score[v], &sum[v]);
      if (key > 0) scale_rows(sums, count, (__local const float *)factors);
      add_block(map, count, value_block, seen_count, key == 0, sums);
    }
    for (uint v = 0; v < 2; v++) factors[v] = (vfloat)(1.0f) / sum[v];
    scale_rows(sums, count, (__local const float *)factors);
    store_rows(sums, count, head_width, ROW(output, first_row + query) + column, output_stride);
  }
}
