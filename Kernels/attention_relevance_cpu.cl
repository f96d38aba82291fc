// sums[row][head][key] = Σ_query max(0, gradient[query] · values[key]) for every row of the relevance, a prompt of an
// image: the cpu variant of Compute/Operations/AttentionRelevance.swift up to the mean over heads
// (attention_relevance_mean.cl), on the blocks and panels of attention_tiles_cpu.cl.
//
//              panel: 32 keys
//             ┌───────┬───────┐          One work-item computes keys_per_item keys (dimension 0) of one head (1) of one
//   8 queries │ g · v │       │          row (2). The products of a tile never leave the registers: their positive
//   of the    │       │       │          parts are added to the keys' sums, query by query in ascending order.
//   block     └───┬───┴───┬───┘
//                 ▼       ▼  max(0, ·)
//             [ sums of keys  ]

__attribute__((reqd_work_group_size(1, 1, 1))) __kernel void attention_relevance(
    INPUT(gradient), INPUT(values), __global float *sums, const uint head_width, const uint prompts, const uint tokens,
    const uint keys_per_item) {
  __local vfloat gradient_block[BLOCK * VECTORS], value_panel[HEAD_WIDTH * 2];
  const uint column = get_global_id(1) * head_width, gradient_row = get_global_id(2) * tokens;
  const uint value_row = get_global_id(2) / prompts * tokens;
  __global float *head_sums = sums + (get_global_id(2) * get_global_size(1) + get_global_id(1)) * tokens;
  const uint begin = get_global_id(0) * keys_per_item, end = min(begin + keys_per_item, tokens);
  uint copied = tokens;
  for (uint key = begin; key < end; key += PANEL_ROWS) {
    const uint count = min(end - key, (uint)PANEL_ROWS);
    turn_panel(ROW(values, value_row + key) + column, values_stride, count, head_width, 1.0f, value_panel);
    vfloat key_sums[2];
    key_sums[0] = key_sums[1] = (vfloat)(0.0f);
    for (uint query = 0; query < tokens; query += BLOCK) {
      const uint query_count = min(tokens - query, (uint)BLOCK);
      if (copied != query) {
        copy_block(
            ROW(gradient, gradient_row + query) + column, gradient_stride, query_count, head_width, gradient_block);
        copied = query;
      }
      for (uint row = 0; row < query_count; row += TILE_ROWS) {
        vfloat products[TILE_ROWS][2];
        __local const float *tile = (__local const float *)(gradient_block + row * VECTORS);
        multiply_tile(2, tile, HEAD_WIDTH, 1, value_panel, 2, head_width, products);
        // The block's rows past the last query are zeros and add nothing.
#pragma unroll
        for (uint r = 0; r < TILE_ROWS; r++)
#pragma unroll
          for (uint v = 0; v < 2; v++)
            key_sums[v] += select(products[r][v], (vfloat)(0.0f), products[r][v] < (vfloat)(0.0f));
      }
    }
    for (uint v = 0; v * LANES < count; v++) store_up_to(head_sums + key + v * LANES, key_sums[v], count - v * LANES);
  }
}
