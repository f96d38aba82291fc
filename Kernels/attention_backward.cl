// The gradients of attention's inputs, its map recomputed (Compute/Operations/Attention.swift), on the tiles of
// attention_tiles.cl. With A the map, G = upstream · valuesᵀ its gradient and S = A ⊙ (G − along) / √head_width:
//
//   attention_backward_statistics   per query: the largest score, 1 / Σ_key e^(score − largest), along = Σ_key A · G
//   attention_backward_queries      queryGradient[query] = Σ_key S[query][key] · keys[key]
//   attention_backward_keys         keyGradient[key] = Σ_query S[query][key] · queries[query]
//                                   valueGradient[key] = Σ_query A[query][key] · upstream[query]
//
// Each computes the scores and G anew, tile by tile in registers: so no map is stored, and no two work-groups add to
// one sum.
//
// One work-group computes 64 queries or keys (dimension 0) of one head (1) of one sequence (2), and goes over the other
// side in tiles of 32. A head's statistics are [3][tokens].

#define HEAD_STATISTICS (statistics + (get_group_id(2) * get_num_groups(1) + get_group_id(1)) * tokens * 3)

static inline float add_products_of_4(float4 a, float4 b, float sum) {
  return fma(a.w, b.w, fma(a.z, b.z, fma(a.y, b.y, fma(a.x, b.x, sum))));
}

__attribute__((reqd_work_group_size(ITEMS, 1, 1))) SUB_GROUPS __kernel void attention_backward_statistics(
    INPUT(upstream), INPUT(queries), INPUT(keys), INPUT(values), __global float *statistics, const uint head_width,
    const uint tokens, const uint is_causal, const float factor) {
  __local float4 stage[STAGE], exchange[GIVEN];
  const uint column = get_group_id(1) * head_width, first_row = get_group_id(2) * tokens;
  const uint query = get_group_id(0) * TILE_ROWS, count = min(tokens - query, (uint)TILE_ROWS);
  const uint seen = is_causal ? query + count : tokens;
  query_sums s;
  s.max_score = (float4)(-INFINITY);
  s.sum = (float4)(0.0f);
  float4 along = (float4)(0.0f);
  for (uint key = 0; key < seen; key += TILE_COLUMNS) {
    const uint key_count = min(seen - key, (uint)TILE_COLUMNS);
    float4 gradients[4], map[4];
    multiply_rows(
        ROW(upstream, first_row + query) + column, upstream_stride, count, ROW(values, first_row + key) + column,
        values_stride, key_count, head_width, stage, gradients);
    multiply_rows(
        ROW(queries, first_row + query) + column, queries_stride, count, ROW(keys, first_row + key) + column,
        keys_stride, key_count, head_width, stage, map);
    give(largest_scores(map, factor, query, key, tokens, is_causal), exchange);
    along *= exponentiate(map, exchange, &s);
    along.x = add_products_of_4(map[0], gradients[0], along.x);
    along.y = add_products_of_4(map[1], gradients[1], along.y);
    along.z = add_products_of_4(map[2], gradients[2], along.z);
    along.w = add_products_of_4(map[3], gradients[3], along.w);
  }
  give(s.sum, exchange);
  const float4 inverse = 1.0f / sum_given(exchange);
  give(along, exchange);
  along = sum_given(exchange) * inverse;
  if (ITEM_COLUMN > 0) return;
  __global float *to = HEAD_STATISTICS + query;
  store_4(to, s.max_score, ITEM_ROW * 4, count);
  store_4(to + tokens, inverse, ITEM_ROW * 4, count);
  store_4(to + 2 * tokens, along, ITEM_ROW * 4, count);
}

__attribute__((reqd_work_group_size(ITEMS, 1, 1))) SUB_GROUPS __kernel void attention_backward_queries(
    INPUT(upstream), INPUT(queries), INPUT(keys), INPUT(values), __global const float *statistics,
    OUTPUT(query_gradient), const uint head_width, const uint tokens, const uint is_causal, const float factor) {
  __local float4 stage[STAGE], weights[TILE_COLUMNS * MAP_PITCH];
  const uint column = get_group_id(1) * head_width, first_row = get_group_id(2) * tokens;
  const uint query = get_group_id(0) * TILE_ROWS, count = min(tokens - query, (uint)TILE_ROWS);
  const uint seen = is_causal ? query + count : tokens, own_query = query + ITEM_ROW * 4;
  __global const float *of = HEAD_STATISTICS;
  const float4 top = load_4(of, own_query, tokens), inverse = load_4(of + tokens, own_query, tokens);
  const float4 along = load_4(of + 2 * tokens, own_query, tokens);
  float2 sums[4][PAIRS];
  clear_sums(sums);
  for (uint key = 0; key < seen; key += TILE_COLUMNS) {
    const uint key_count = min(seen - key, (uint)TILE_COLUMNS);
    const uint4 own_keys = key + ITEM_COLUMN * 4 + (uint4)(0, 1, 2, 3);
    float4 gradients[4], map[4];
    multiply_rows(
        ROW(upstream, first_row + query) + column, upstream_stride, count, ROW(values, first_row + key) + column,
        values_stride, key_count, head_width, stage, gradients);
    multiply_rows(
        ROW(queries, first_row + query) + column, queries_stride, count, ROW(keys, first_row + key) + column,
        keys_stride, key_count, head_width, stage, map);
#pragma unroll
    for (uint r = 0; r < 4; r++) map[r] = hide(map[r] * factor, (uint4)(own_query + r), own_keys, tokens, is_causal);
    map[0] = exponential_of_4(map[0] - top.x) * inverse.x * (gradients[0] - along.x) * factor;
    map[1] = exponential_of_4(map[1] - top.y) * inverse.y * (gradients[1] - along.y) * factor;
    map[2] = exponential_of_4(map[2] - top.z) * inverse.z * (gradients[2] - along.z) * factor;
    map[3] = exponential_of_4(map[3] - top.w) * inverse.w * (gradients[3] - along.w) * factor;
    barrier(CLK_LOCAL_MEM_FENCE);
    store_map(map, weights);
    stage_straight(ROW(keys, first_row + key) + column, keys_stride, key_count, head_width, stage);
    barrier(CLK_LOCAL_MEM_FENCE);
    add_rows(weights, stage, key_count, sums);
  }
  store_sums(sums, count, head_width, ROW(query_gradient, first_row + query) + column, query_gradient_stride);
}

__attribute__((reqd_work_group_size(ITEMS, 1, 1))) SUB_GROUPS __kernel void attention_backward_keys(
    INPUT(upstream), INPUT(queries), INPUT(keys), INPUT(values), __global const float *statistics, OUTPUT(key_gradient),
    OUTPUT(value_gradient), const uint head_width, const uint tokens, const uint is_causal, const float factor) {
  __local float4 stage[STAGE], weights[TILE_COLUMNS * MAP_PITCH];
  const uint column = get_group_id(1) * head_width, first_row = get_group_id(2) * tokens;
  const uint key = get_group_id(0) * TILE_ROWS, count = min(tokens - key, (uint)TILE_ROWS);
  __global const float *of = HEAD_STATISTICS;
  float2 key_sums[4][PAIRS], value_sums[4][PAIRS];
  clear_sums(key_sums);
  clear_sums(value_sums);
  // Where the map is causal, earlier queries do not see these keys.
  for (uint query = is_causal ? key : 0; query < tokens; query += TILE_COLUMNS) {
    const uint query_count = min(tokens - query, (uint)TILE_COLUMNS), own_query = query + ITEM_COLUMN * 4;
    const float4 top = load_4(of, own_query, tokens), inverse = load_4(of + tokens, own_query, tokens);
    const float4 along = load_4(of + 2 * tokens, own_query, tokens);
    float4 gradients[4], map[4];
    multiply_rows(
        ROW(values, first_row + key) + column, values_stride, count, ROW(upstream, first_row + query) + column,
        upstream_stride, query_count, head_width, stage, gradients);
    multiply_rows(
        ROW(keys, first_row + key) + column, keys_stride, count, ROW(queries, first_row + query) + column,
        queries_stride, query_count, head_width, stage, map);
#pragma unroll
    for (uint r = 0; r < 4; r++) {
      const uint4 own_key = (uint4)(key + ITEM_ROW * 4 + r);
      map[r] = hide(map[r] * factor, own_query + (uint4)(0, 1, 2, 3), own_key, tokens, is_causal);
      map[r] = exponential_of_4(map[r] - top) * inverse;
      gradients[r] = map[r] * (gradients[r] - along) * factor;
    }
    barrier(CLK_LOCAL_MEM_FENCE);
    store_map(map, weights);
    stage_straight(ROW(upstream, first_row + query) + column, upstream_stride, query_count, head_width, stage);
    barrier(CLK_LOCAL_MEM_FENCE);
    add_rows(weights, stage, query_count, value_sums);
    barrier(CLK_LOCAL_MEM_FENCE);
    store_map(gradients, weights);
    stage_straight(ROW(queries, first_row + query) + column, queries_stride, query_count, head_width, stage);
    barrier(CLK_LOCAL_MEM_FENCE);
    add_rows(weights, stage, query_count, key_sums);
  }
  store_sums(key_sums, count, head_width, ROW(key_gradient, first_row + key) + column, key_gradient_stride);
  store_sums(value_sums, count, head_width, ROW(value_gradient, first_row + key) + column, value_gradient_stride);
}
