// One row of weights carried through a head's map, recomputed (Compute/Operations/RowThroughMap.swift up to the mean over
// heads, row_through_map_mean.cl), on the tiles of attention_tiles.cl. With A the map and G = gradient · valuesᵀ:
//
//   row_through_map_statistics   per query: the largest score, 1 / Σ_key e^(score − largest)
//   row_through_map              sums[row][head][key] = Σ_query row[query] · A[query][key] · max(0, G[query][key]),
//                                the last factor only where there is a gradient
//
// Both compute the scores tile by tile in registers: no map is stored, and no two work-groups add to one sum. One
// work-group computes 64 queries or keys (dimension 0) of one head (1) of one image or row (2), and goes over the other
// side in tiles of 32. A head's statistics are [2][tokens].

__attribute__((reqd_work_group_size(ITEMS, 1, 1))) SUB_GROUPS __kernel void row_through_map_statistics(
    INPUT(queries), INPUT(keys), __global float *statistics, const uint head_width, const uint tokens,
    const float factor) {
  __local float4 stage[STAGE], exchange[GIVEN];
  const uint column = get_group_id(1) * head_width, first_row = get_group_id(2) * tokens;
  const uint query = get_group_id(0) * TILE_ROWS, count = min(tokens - query, (uint)TILE_ROWS);
  query_sums s;
  s.max_score = (float4)(-INFINITY);
  s.sum = (float4)(0.0f);
  for (uint key = 0; key < tokens; key += TILE_COLUMNS) {
    float4 map[4];
    multiply_rows(
        ROW(queries, first_row + query) + column, queries_stride, count, ROW(keys, first_row + key) + column,
        keys_stride, min(tokens - key, (uint)TILE_COLUMNS), head_width, stage, map);
    give(largest_scores(map, factor, query, key, tokens, 0), exchange);
    exponentiate(map, exchange, &s);
  }
  give(s.sum, exchange);
  const float4 inverse = 1.0f / sum_given(exchange);
  if (ITEM_COLUMN > 0) return;
  __global float *to = statistics + (get_group_id(2) * get_num_groups(1) + get_group_id(1)) * tokens * 2 + query;
  store_4(to, s.max_score, ITEM_ROW * 4, count);
  store_4(to + tokens, inverse, ITEM_ROW * 4, count);
}

__attribute__((reqd_work_group_size(ITEMS, 1, 1))) SUB_GROUPS __kernel void row_through_map(
    INPUT(row), INPUT(queries), INPUT(keys), INPUT(gradient), INPUT(values), __global const float *statistics,
    __global float *sums, const uint has_gradient, const uint prompts, const uint head_width, const uint tokens,
    const float factor) {
  __local float4 stage[STAGE], exchange[GIVEN];
  const uint stacked = get_group_id(2), head = get_group_id(1), heads = get_num_groups(1), column = head * head_width;
  const uint first_row = stacked / prompts * tokens;
  const uint key = get_group_id(0) * TILE_ROWS, count = min(tokens - key, (uint)TILE_ROWS);
  __global const float *of = statistics + (stacked / prompts * heads + head) * (ulong)tokens * 2;
  float key_sums[4] = {0.0f, 0.0f, 0.0f, 0.0f};
  for (uint query = 0; query < tokens; query += TILE_COLUMNS) {
    const uint query_count = min(tokens - query, (uint)TILE_COLUMNS), own_query = query + ITEM_COLUMN * 4;
    const float4 top = load_4(of, own_query, tokens);
    const float4 weight = load_4(of + tokens, own_query, tokens)
                          * load_4(ROW(row, stacked), own_query, tokens);
    float4 gradients[4], map[4];
    if (has_gradient)
      multiply_rows(
          ROW(values, first_row + key) + column, values_stride, count,
          ROW(gradient, stacked * tokens + query) + column, gradient_stride, query_count, head_width, stage, gradients);
    multiply_rows(
        ROW(keys, first_row + key) + column, keys_stride, count, ROW(queries, first_row + query) + column,
        queries_stride, query_count, head_width, stage, map);
#pragma unroll
    for (uint r = 0; r < 4; r++) {
      // A query past the last one has score −∞ and adds nothing.
      map[r] = hide(map[r] * factor, own_query + (uint4)(0, 1, 2, 3), (uint4)(0), tokens, 0);
      map[r] = exponential_of_4(map[r] - top) * weight;
      if (has_gradient) map[r] *= select(gradients[r], (float4)(0.0f), gradients[r] < 0.0f);
      key_sums[r] += map[r].x + map[r].y + map[r].z + map[r].w;
    }
  }
  give((float4)(key_sums[0], key_sums[1], key_sums[2], key_sums[3]), exchange);
  const float4 total = sum_given(exchange);
  if (ITEM_COLUMN == 0) store_4(sums + ((ulong)stacked * heads + head) * tokens + key, total, ITEM_ROW * 4, count);
}
