// sums[row][head][key] = Σ_query max(0, gradient[query] · values[key]), as in attention_relevance.cl, on matrix units
// (attention_matrix_tiles.cl).
//
// One work-group computes TILE_M keys (dimension 0) of one head (1) of one row (2). The keys' values stay in local memory
// while the gradient's rows pass, TILE_N at a time. The products of a tile never leave the registers: their positive parts
// are added up for each place of a square, and the places of a key's row at the end. A place's queries come in ascending
// order.

#define PLACES (16 * WARPS_N)
#define PLACES_PITCH (PLACES + 1)
// The values' tile, or after it what the places of every key have.
#define VALUES_QUADS (ROWS_TILE(TILE_M))
#define PLACES_QUADS ((TILE_M * PLACES_PITCH + 3) / 4)
#define LOCAL_QUADS (VALUES_QUADS > PLACES_QUADS ? VALUES_QUADS : PLACES_QUADS)

__attribute__((reqd_work_group_size(ITEMS, 1, 1))) SUB_GROUPS __kernel void attention_relevance_matrix(
    INPUT(gradient), INPUT(values), __global float *sums, const uint head_width, const uint prompts,
    const uint tokens) {
  __local uint4 quads[LOCAL_QUADS], stage_chunks[ROWS_TILE(TILE_N)];
  __local uint exchange[PLAIN ? ITEMS * EXCHANGED : 1];
  __local ushort *own_values = (__local ushort *)quads, *stage = (__local ushort *)stage_chunks;
  __local float *places = (__local float *)quads;
  const uint column = get_group_id(1) * head_width, gradient_row = get_group_id(2) * tokens;
  const uint value_row = get_group_id(2) / prompts * tokens, item = get_local_id(0);
  const uint key = get_group_id(0) * TILE_M, count = min(tokens - key, (uint)TILE_M);

  stage_rows(ROW(values, value_row + key) + column, values_stride, count, head_width, TILE_M, own_values);
  float positive[SUMS];
  UNROLL_INSTRUCTIONS for (uint e = 0; e < SUMS; e++) positive[e] = 0.0f;
  for (uint query = 0; query < tokens; query += TILE_N) {
    // Nobody still reads what is replaced.
    barrier(CLK_LOCAL_MEM_FENCE);
    stage_rows(
        ROW(gradient, gradient_row + query) + column, gradient_stride, min(tokens - query, (uint)TILE_N), head_width,
        TILE_N, stage);
    barrier(CLK_LOCAL_MEM_FENCE);
    float products[MAP_SQUARES][SUMS];
    multiply_rows(products, own_values, stage, exchange);
    // Queries past the last one are zeros and add nothing.
    UNROLL_INSTRUCTIONS for (uint j = 0; j < MAP_SQUARES; j++)
      UNROLL_INSTRUCTIONS for (uint e = 0; e < SUMS; e++)
        if (WARP_SQUARE + j * WARPS_N < TILE_N / 16) positive[e] += products[j][e] < 0.0f ? 0.0f : products[j][e];
  }
  barrier(CLK_LOCAL_MEM_FENCE);
  UNROLL_INSTRUCTIONS for (uint e = 0; e < SUMS; e++)
    places[(WARP_ROW + sum_row(LANE, e)) * PLACES_PITCH + WARP_SQUARE * 16 + sum_column(LANE, e)] = positive[e];
  barrier(CLK_LOCAL_MEM_FENCE);
  for (uint own = item; own < count; own += ITEMS) {
    float sum = 0.0f;
    for (uint place = 0; place < PLACES; place++) sum += places[own * PLACES_PITCH + place];
    sums[((ulong)get_group_id(2) * get_num_groups(1) + get_group_id(1)) * tokens + key + own] = sum;
  }
}
