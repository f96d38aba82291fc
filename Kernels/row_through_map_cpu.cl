// One row of weights carried through a head's map, recomputed: the cpu variant of Compute/Operations/RowThroughMap.swift
// up to the mean over heads (row_through_map_mean.cl), on the blocks and panels of attention_tiles_cpu.cl. With A the
// map and G = gradient · valuesᵀ:
//
//   row_through_map_statistics   per query: the largest score, 1 / Σ_key e^(score − largest)
//   row_through_map              sums[row][head][key] = Σ_query row[query] · A[query][key] · max(0, G[query][key]),
//                                the last factor only where there is a gradient
//
// Both compute the scores a block at a time: no map is stored, and no two work-items add to one sum. One work-item
// computes rows_per_item queries or keys (dimension 0) of one head (1) of one image or row (2), a panel of them at a time
// with the whole other side. A head's statistics are [2][tokens].

__attribute__((reqd_work_group_size(1, 1, 1))) __kernel void row_through_map_statistics(
    INPUT(queries), INPUT(keys), __global float *statistics, const uint head_width, const uint tokens,
    const float factor, const uint rows_per_item) {
  __local vfloat key_block[BLOCK * VECTORS], scores[BLOCK * 2], query_panel[HEAD_WIDTH * 2];
  const uint column = get_global_id(1) * head_width, first_row = get_global_id(2) * tokens;
  const uint begin = get_global_id(0) * rows_per_item, end = min(begin + rows_per_item, tokens);
  uint copied = tokens;
  for (uint query = begin; query < end; query += PANEL_ROWS) {
    const uint count = min(end - query, (uint)PANEL_ROWS);
    turn_panel(ROW(queries, first_row + query) + column, queries_stride, count, head_width, factor, query_panel);
    vfloat max_score[2], sum[2];
    max_score[0] = max_score[1] = (vfloat)(-INFINITY);
    sum[0] = sum[1] = (vfloat)(0.0f);
    for (uint key = 0; key < tokens; key += BLOCK) {
      const uint key_count = min(tokens - key, (uint)BLOCK);
      if (copied != key) {
        copy_block(ROW(keys, first_row + key) + column, keys_stride, key_count, head_width, key_block);
        copied = key;
      }
      multiply_block(key_block, key_count, query_panel, head_width, scores);
      for (uint v = 0; v < 2; v++) {
        const vfloat earlier = max_score[v];
        for (uint i = v; i < 2 * key_count; i += 2)
          max_score[v] = select(max_score[v], scores[i], scores[i] > max_score[v]);
        sum[v] *= exponential(earlier - max_score[v]);
        for (uint i = v; i < 2 * key_count; i += 2) sum[v] += exponential(scores[i] - max_score[v]);
      }
    }
    __global float *to =
        statistics + (get_global_id(2) * get_global_size(1) + get_global_id(1)) * tokens * 2 + query;
    for (uint v = 0; v * LANES < count; v++) {
      store_up_to(to + v * LANES, max_score[v], count - v * LANES);
      store_up_to(to + tokens + v * LANES, (vfloat)(1.0f) / sum[v], count - v * LANES);
    }
  }
}

__attribute__((reqd_work_group_size(1, 1, 1))) __kernel void row_through_map(
    INPUT(row), INPUT(queries), INPUT(keys), INPUT(gradient), INPUT(values), __global const float *statistics,
    __global float *sums, const uint has_gradient, const uint prompts, const uint head_width, const uint tokens,
    const float factor, const uint rows_per_item) {
  __local vfloat query_block[BLOCK * VECTORS], gradient_block[BLOCK * VECTORS], scores[BLOCK * 2], products[BLOCK * 2];
  __local vfloat key_panel[HEAD_WIDTH * 2], value_panel[HEAD_WIDTH * 2];
  const uint stacked = get_global_id(2), head = get_global_id(1), heads = get_global_size(1);
  const uint column = head * head_width, first_row = stacked / prompts * tokens;
  const uint begin = get_global_id(0) * rows_per_item, end = min(begin + rows_per_item, tokens);
  __global const float *top = statistics + (stacked / prompts * heads + head) * (ulong)tokens * 2;
  __global const float *weights = ROW(row, stacked);
  uint copied = tokens;
  for (uint key = begin; key < end; key += PANEL_ROWS) {
    const uint count = min(end - key, (uint)PANEL_ROWS);
    turn_panel(ROW(keys, first_row + key) + column, keys_stride, count, head_width, factor, key_panel);
    if (has_gradient)
      turn_panel(ROW(values, first_row + key) + column, values_stride, count, head_width, 1.0f, value_panel);
    vfloat key_sums[2];
    key_sums[0] = key_sums[1] = (vfloat)(0.0f);
    for (uint query = 0; query < tokens; query += BLOCK) {
      const uint query_count = min(tokens - query, (uint)BLOCK);
      if (copied != query) {
        copy_block(ROW(queries, first_row + query) + column, queries_stride, query_count, head_width, query_block);
        if (has_gradient)
          copy_block(
              ROW(gradient, stacked * tokens + query) + column, gradient_stride, query_count, head_width,
              gradient_block);
        copied = query;
      }
      multiply_block(query_block, query_count, key_panel, head_width, scores);
      if (has_gradient) multiply_block(gradient_block, query_count, value_panel, head_width, products);
      for (uint i = 0; i < query_count; i++) {
        const float weight = weights[query + i] * top[tokens + query + i];
        for (uint v = 0; v < 2; v++) {
          vfloat term = exponential(scores[2 * i + v] - top[query + i]) * weight;
          const vfloat g = products[2 * i + v];
          if (has_gradient) term *= select(g, (vfloat)(0.0f), g < (vfloat)(0.0f));
          key_sums[v] += term;
        }
      }
    }
    __global float *to = sums + ((ulong)stacked * heads + head) * tokens + key;
    for (uint v = 0; v * LANES < count; v++) store_up_to(to + v * LANES, key_sums[v], count - v * LANES);
  }
}
