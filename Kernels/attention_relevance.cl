// sums[row][head][key] = Σ_query max(0, gradient[query] · values[key]) for every row of the relevance, a prompt of an
// image: Compute/Operations/AttentionRelevance.swift up to the mean over heads (attention_relevance_mean.cl), on the
// tiles of attention_tiles.cl.
//
// One work-group computes 32 keys (dimension 0) of one head (1) of one row (2). The keys' values stay in local memory
// while the gradient's rows pass, 64 at a time. The products of a tile never leave the registers:
//
//               32 keys, turned
//              ┌────┬────┬─ … ──┐
//   64 queries │4x4 │    │      │  max(0, ·), added to 4 sums per work-item
//              ├────┼────┼─ … ──┤
//              │    │    │      │  at the end the 16 work-items of a column of keys add theirs up
//
// A work-item's queries come in ascending order, and its neighbours' sums after its own.

__attribute__((reqd_work_group_size(ITEMS, 1, 1))) SUB_GROUPS __kernel void attention_relevance(
    INPUT(gradient), INPUT(values), __global float *sums, const uint head_width, const uint prompts,
    const uint tokens) {
  __local float4 key_values[HEAD_WIDTH * COLUMNS_PITCH], stage[DEPTH * ROWS_PITCH];
  const uint column = get_group_id(1) * head_width, gradient_row = get_group_id(2) * tokens;
  const uint value_row = get_group_id(2) / prompts * tokens;
  const uint key = get_group_id(0) * TILE_COLUMNS, count = min(tokens - key, (uint)TILE_COLUMNS);
  for (uint c = 0; c < head_width; c += DEPTH)
    stage_turned(
        ROW(values, value_row + key) + column + c, values_stride, count, head_width - c, TILE_COLUMNS,
        min((uint)DEPTH, HEAD_WIDTH - c), key_values + c * COLUMNS_PITCH);
  float4 key_sums = (float4)(0.0f);
  for (uint query = 0; query < tokens; query += TILE_ROWS) {
    float4 products[4];
    products[0] = products[1] = products[2] = products[3] = (float4)(0.0f);
    for (uint c = 0; c < head_width; c += DEPTH) {
      const uint depth = min((uint)DEPTH, HEAD_WIDTH - c);
      barrier(CLK_LOCAL_MEM_FENCE);
      stage_turned(
          ROW(gradient, gradient_row + query) + column + c, gradient_stride, min(tokens - query, (uint)TILE_ROWS),
          head_width - c, TILE_ROWS, depth, stage);
      barrier(CLK_LOCAL_MEM_FENCE);
      add_products(stage, key_values + c * COLUMNS_PITCH, depth, products);
    }
    // Queries past the last one are zeros and add nothing.
#pragma unroll
    for (uint r = 0; r < 4; r++) key_sums += select(products[r], (float4)(0.0f), products[r] < 0.0f);
  }
  barrier(CLK_LOCAL_MEM_FENCE);
  stage[ITEM_ROW * 8 + ITEM_COLUMN] = key_sums;
  barrier(CLK_LOCAL_MEM_FENCE);
  if (ITEM < count) {
    float sum = 0.0f;
    for (uint row = 0; row < TILE_ROWS / 4; row++) sum += ((__local const float *)stage)[row * TILE_COLUMNS + ITEM];
    sums[(get_group_id(2) * get_num_groups(1) + get_group_id(1)) * tokens + key + ITEM] = sum;
  }
}
