// output = softmax(queries · keysᵀ / √head_width) · values, per sequence and head
// (Compute/Operations/Attention.swift), on the tiles of attention_tiles.cl.
//
// One work-group computes 64 queries (dimension 0) of one head (1) of one sequence (2). It goes over the keys in tiles
// of 32 and keeps of each query the largest score, the sum of e^(score − largest), and the sum of the values with these
// weights; both sums are scaled down when a larger score comes. Of the map there is only the tile:
//
//   scores, in registers → largest of each query → e^(score − largest), in local memory → · values, in registers
//
// Eight work-items share a query. They exchange their largest scores for every tile, and their sums at the end.

__attribute__((reqd_work_group_size(ITEMS, 1, 1))) SUB_GROUPS __kernel void attention(
    INPUT(queries), INPUT(keys), INPUT(values), OUTPUT(output), const uint head_width, const uint tokens,
    const uint is_causal, const float factor) {
  __local float4 stage[STAGE], weights[TILE_COLUMNS * MAP_PITCH], exchange[GIVEN];
  const uint column = get_group_id(1) * head_width, first_row = get_group_id(2) * tokens;
  const uint query = get_group_id(0) * TILE_ROWS, count = min(tokens - query, (uint)TILE_ROWS);
  const uint seen = is_causal ? query + count : tokens;
  query_sums s;
  s.max_score = (float4)(-INFINITY);
  s.sum = (float4)(0.0f);
  float2 sums[4][PAIRS];
  clear_sums(sums);
  for (uint key = 0; key < seen; key += TILE_COLUMNS) {
    const uint key_count = min(seen - key, (uint)TILE_COLUMNS);
    float4 map[4];
    multiply_rows(
        ROW(queries, first_row + query) + column, queries_stride, count, ROW(keys, first_row + key) + column,
        keys_stride, key_count, head_width, stage, map);
    give(largest_scores(map, factor, query, key, tokens, is_causal), exchange);
    const float4 rescale = exponentiate(map, exchange, &s);
    scale_sums(sums, rescale);
    store_map(map, weights);
    stage_straight(ROW(values, first_row + key) + column, values_stride, key_count, head_width, stage);
    barrier(CLK_LOCAL_MEM_FENCE);
    add_rows(weights, stage, key_count, sums);
  }
  give(s.sum, exchange);
  scale_sums(sums, 1.0f / sum_given(exchange));
  store_sums(sums, count, head_width, ROW(output, first_row + query) + column, output_stride);
}
