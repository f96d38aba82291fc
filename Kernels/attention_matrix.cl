// output = softmax(queries · keysᵀ / √head_width) · values, per sequence and head, as in attention.cl, on matrix units
// (attention_matrix_tiles.cl).
//
// One work-group computes TILE_M queries (dimension 0) of one head (1) of one sequence (2). It goes over the keys in tiles
// of TILE_N and keeps of each query the largest score, the sum of e^(score − largest), and the sum of the values with
// these weights; both sums are scaled down when a larger score comes.
//
// What a lane holds of a product, and what it needs of the next one's left operand, differ by vendor. So scores go through
// local memory, where some items for each query turn them into weights, whatever the layout:
//
//   scores, float32 in local memory → largest of each query → e^(score − largest), as parts in the same place → · values

// Items that share a query, and the chunks of its scores that one of them turns into weights.
#define SHARE (ITEMS / TILE_M)
#define OWN_CHUNKS ((TILE_N / 8 + SHARE - 1) / SHARE)
// A row of scores is as long as its parts are together, or longer.
#define SCORES_PITCH (MAP_CHUNKS * 8)
#define SCORES (TILE_M * SCORES_PITCH)

// −∞ for scores of keys that a query does not see: those past the end, and later ones where the map is causal.
INLINE float4 seen_scores(float4 scores, uint query, uint key, uint tokens, uint is_causal) {
  const uint4 keys = key + (uint4)(0, 1, 2, 3);
  const int4 is_seen = keys < (uint4)(is_causal ? min(query + 1, tokens) : tokens);
  return select((float4)(-INFINITY), scores, is_seen);
}

INLINE float4 exponential_of_4(float4 x) {
  return (float4)(exponential(x.x), exponential(x.y), exponential(x.z), exponential(x.w));
}

INLINE float largest_of_4(float4 x) { return fmax(fmax(x.x, x.y), fmax(x.z, x.w)); }

__attribute__((reqd_work_group_size(ITEMS, 1, 1))) SUB_GROUPS __kernel void attention_matrix(
    INPUT(queries), INPUT(keys), INPUT(values), OUTPUT(output), const uint head_width, const uint tokens,
    const uint is_causal, const float factor) {
  __local uint4 query_chunks[ROWS_TILE(TILE_M)], stage_chunks[ROWS_TILE(TILE_N)];
  __local float4 score_quads[SCORES / 4];
  __local float given[ITEMS], row_factors[TILE_M];
  __local uint exchange[PLAIN ? ITEMS * EXCHANGED : 1];
  __local ushort *own_queries = (__local ushort *)query_chunks, *stage = (__local ushort *)stage_chunks;
  __local float *scores = (__local float *)score_quads;
  __local ushort *weights = (__local ushort *)score_quads;
  const uint column = get_group_id(1) * head_width, first_row = get_group_id(2) * tokens;
  const uint query = get_group_id(0) * TILE_M, count = min(tokens - query, (uint)TILE_M);
  const uint seen = is_causal ? query + count : tokens;
  const uint item = get_local_id(0), row = item / SHARE, share = item % SHARE;

  stage_rows(ROW(queries, first_row + query) + column, queries_stride, count, head_width, TILE_M, own_queries);
  float max_score = -INFINITY, sum = 0.0f;
  float sums[HEAD_SQUARES][SUMS];
  UNROLL_INSTRUCTIONS for (uint j = 0; j < HEAD_SQUARES; j++)
    UNROLL_INSTRUCTIONS for (uint e = 0; e < SUMS; e++) sums[j][e] = 0.0f;
  for (uint key = 0; key < seen; key += TILE_N) {
    const uint key_count = min(seen - key, (uint)TILE_N);
    // Nobody still reads what is replaced.
    barrier(CLK_LOCAL_MEM_FENCE);
    stage_rows(ROW(keys, first_row + key) + column, keys_stride, key_count, head_width, TILE_N, stage);
    barrier(CLK_LOCAL_MEM_FENCE);
    float map[MAP_SQUARES][SUMS];
    multiply_rows(map, own_queries, stage, exchange);
    UNROLL_INSTRUCTIONS for (uint j = 0; j < MAP_SQUARES; j++) {
      const uint square = WARP_SQUARE + j * WARPS_N;
      UNROLL_INSTRUCTIONS for (uint e = 0; e < SUMS; e++)
        if (square < TILE_N / 16)
          scores[(WARP_ROW + sum_row(LANE, e)) * SCORES_PITCH + square * 16 + sum_column(LANE, e)] = map[j][e];
    }
    barrier(CLK_LOCAL_MEM_FENCE);

    stage_rows(ROW(values, first_row + key) + column, values_stride, key_count, head_width, TILE_N, stage);
    float4 low[OWN_CHUNKS], high[OWN_CHUNKS];
    float largest = -INFINITY;
    UNROLL_INSTRUCTIONS for (uint i = 0; i < OWN_CHUNKS; i++) {
      const uint chunk = share + i * SHARE;
      low[i] = high[i] = (float4)(-INFINITY);
      if (chunk >= TILE_N / 8) continue;
      __local const float4 *from = score_quads + row * (SCORES_PITCH / 4) + chunk * 2;
      low[i] = seen_scores(from[0] * factor, query + row, key + chunk * 8, tokens, is_causal);
      high[i] = seen_scores(from[1] * factor, query + row, key + chunk * 8 + 4, tokens, is_causal);
      largest = fmax(largest, fmax(largest_of_4(low[i]), largest_of_4(high[i])));
    }
    given[item] = largest;
    barrier(CLK_LOCAL_MEM_FENCE);
    float top = max_score;
    UNROLL_INSTRUCTIONS for (uint i = 0; i < SHARE; i++) top = fmax(top, given[row * SHARE + i]);
    const float rescale = exponential(max_score - top);
    max_score = top;
    sum *= rescale;
    if (share == 0) row_factors[row] = rescale;
    UNROLL_INSTRUCTIONS for (uint i = 0; i < OWN_CHUNKS; i++) {
      const uint chunk = share + i * SHARE;
      if (chunk >= TILE_N / 8) continue;
      low[i] = exponential_of_4(low[i] - top);
      high[i] = exponential_of_4(high[i] - top);
      const float4 both = low[i] + high[i];
      sum += both.x + both.y + both.z + both.w;
      put_chunk(low[i], high[i], weights + chunk_at(row, chunk, MAP_CHUNKS), TILE_M * MAP_CHUNKS * 8);
    }
    barrier(CLK_LOCAL_MEM_FENCE);

    UNROLL_INSTRUCTIONS for (uint e = 0; e < SUMS; e++) {
      const float own = row_factors[WARP_ROW + sum_row(LANE, e)];
      UNROLL_INSTRUCTIONS for (uint j = 0; j < HEAD_SQUARES; j++) sums[j][e] *= own;
    }
    add_rows(sums, weights, stage, exchange);
  }

  barrier(CLK_LOCAL_MEM_FENCE);
  given[item] = sum;
  barrier(CLK_LOCAL_MEM_FENCE);
  if (share == 0) {
    float total = 0.0f;
    for (uint i = 0; i < SHARE; i++) total += given[item + i];
    row_factors[row] = 1.0f / total;
  }
  barrier(CLK_LOCAL_MEM_FENCE);
  UNROLL_INSTRUCTIONS for (uint e = 0; e < SUMS; e++) {
    const uint own_row = WARP_ROW + sum_row(LANE, e);
    const float inverse = row_factors[own_row];
    UNROLL_INSTRUCTIONS for (uint j = 0; j < HEAD_SQUARES; j++) {
      const uint square = WARP_SQUARE + j * WARPS_N, own_column = square * 16 + sum_column(LANE, e);
      if (square < HEAD_WIDTH / 16 && own_row < count && own_column < head_width)
        ROW(output, first_row + query + own_row)[column + own_column] = sums[j][e] * inverse;
    }
  }
}
