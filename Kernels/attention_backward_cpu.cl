// The gradients of attention's inputs, its map recomputed: the cpu variant of Compute/Operations/Attention.swift, on
// the blocks and panels of attention_tiles_cpu.cl. With A the map, G = upstream · valuesᵀ its gradient and
// S = A ⊙ (G − along) / √head_width:
//
//   attention_backward_statistics   per query: the largest score, 1 / Σ_key e^(score − largest), along = Σ_key A · G
//   attention_backward_queries      queryGradient[query] = Σ_key S[query][key] · keys[key]
//   attention_backward_keys         keyGradient[key] = Σ_query S[query][key] · queries[query]
//                                   valueGradient[key] = Σ_query A[query][key] · upstream[query]
//
// Each computes the scores and G anew, a block at a time: so no map is stored, and no two work-items add to one sum.
//
// One work-item computes rows_per_item queries or keys (dimension 0) of one head (1) of one sequence (2), a panel of
// them at a time with the whole other side. A head's statistics are [3][tokens].

#define HEAD_STATISTICS (statistics + (get_global_id(2) * get_global_size(1) + get_global_id(1)) * tokens * 3)

// What one vector of queries has of the keys so far.
typedef struct {
  vfloat max_score, sum, along;
} query_statistics;

static inline void add_statistics(
    __local const vfloat *scores, __local const vfloat *gradients, uint count, query_statistics *of) {
  query_statistics s = *of;
  for (uint row = 0; row < count; row++)
    s.max_score = select(s.max_score, scores[row * 2], scores[row * 2] > s.max_score);
  const vfloat rescale = exponential(of->max_score - s.max_score);
  s.sum *= rescale;
  s.along *= rescale;
  for (uint row = 0; row < count; row++) {
    const vfloat e = exponential(scores[row * 2] - s.max_score);
    s.sum += e;
    s.along = fma(e, gradients[row * 2], s.along);
  }
  *of = s;
}

__attribute__((reqd_work_group_size(1, 1, 1))) __kernel void attention_backward_statistics(
    INPUT(upstream), INPUT(queries), INPUT(keys), INPUT(values), __global float *statistics, const uint head_width,
    const uint tokens, const uint is_causal, const float factor, const uint rows_per_item) {
  __local vfloat key_block[BLOCK * VECTORS], value_block[BLOCK * VECTORS], scores[BLOCK * 2], gradients[BLOCK * 2];
  __local vfloat query_panel[HEAD_WIDTH * 2], upstream_panel[HEAD_WIDTH * 2];
  const uint column = get_global_id(1) * head_width, first_row = get_global_id(2) * tokens;
  const uint begin = get_global_id(0) * rows_per_item, end = min(begin + rows_per_item, tokens);
  uint copied = tokens;
  for (uint query = begin; query < end; query += PANEL_ROWS) {
    const uint count = min(end - query, (uint)PANEL_ROWS), seen = is_causal ? query + count : tokens;
    turn_panel(ROW(queries, first_row + query) + column, queries_stride, count, head_width, factor, query_panel);
    turn_panel(ROW(upstream, first_row + query) + column, upstream_stride, count, head_width, 1.0f, upstream_panel);
    query_statistics s[2];
    for (uint v = 0; v < 2; v++) {
      s[v].max_score = (vfloat)(-INFINITY);
      s[v].sum = s[v].along = (vfloat)(0.0f);
    }
    for (uint key = 0; key < seen; key += BLOCK) {
      const uint key_count = min(tokens - key, (uint)BLOCK), seen_count = min(seen - key, (uint)BLOCK);
      if (copied != key) {
        copy_block(ROW(keys, first_row + key) + column, keys_stride, key_count, head_width, key_block);
        copy_block(ROW(values, first_row + key) + column, values_stride, key_count, head_width, value_block);
        copied = key;
      }
      multiply_block(key_block, seen_count, query_panel, head_width, scores);
      multiply_block(value_block, seen_count, upstream_panel, head_width, gradients);
      if (is_causal) hide_later_rows((__local float *)scores, key, seen_count, query);
      for (uint v = 0; v < 2; v++) add_statistics(scores + v, gradients + v, seen_count, &s[v]);
    }
    for (uint v = 0; v * LANES < count; v++) {
      __global float *to = HEAD_STATISTICS + query + v * LANES;
      const uint lanes = count - v * LANES;
      const vfloat inverse = (vfloat)(1.0f) / s[v].sum;
      store_up_to(to, s[v].max_score, lanes);
      store_up_to(to + tokens, inverse, lanes);
      store_up_to(to + 2 * tokens, s[v].along * inverse, lanes);
    }
  }
}

__attribute__((reqd_work_group_size(1, 1, 1))) __kernel void attention_backward_queries(
    INPUT(upstream), INPUT(queries), INPUT(keys), INPUT(values), __global const float *statistics,
    OUTPUT(query_gradient), const uint head_width, const uint tokens, const uint is_causal, const float factor,
    const uint rows_per_item) {
  __local vfloat key_block[BLOCK * VECTORS], value_block[BLOCK * VECTORS], scores[BLOCK * 2], gradients[BLOCK * 2];
  __local vfloat query_panel[HEAD_WIDTH * 2], upstream_panel[HEAD_WIDTH * 2], sums[PANEL_ROWS * VECTORS];
  const uint column = get_global_id(1) * head_width, first_row = get_global_id(2) * tokens;
  const uint begin = get_global_id(0) * rows_per_item, end = min(begin + rows_per_item, tokens);
  uint copied = tokens;
  for (uint query = begin; query < end; query += PANEL_ROWS) {
    const uint count = min(end - query, (uint)PANEL_ROWS), seen = is_causal ? query + count : tokens;
    turn_panel(ROW(queries, first_row + query) + column, queries_stride, count, head_width, factor, query_panel);
    turn_panel(ROW(upstream, first_row + query) + column, upstream_stride, count, head_width, 1.0f, upstream_panel);
    for (uint key = 0; key < seen; key += BLOCK) {
      const uint key_count = min(tokens - key, (uint)BLOCK), seen_count = min(seen - key, (uint)BLOCK);
      if (copied != key) {
        copy_block(ROW(keys, first_row + key) + column, keys_stride, key_count, head_width, key_block);
        copy_block(ROW(values, first_row + key) + column, values_stride, key_count, head_width, value_block);
        copied = key;
      }
      multiply_block(key_block, seen_count, query_panel, head_width, scores);
      multiply_block(value_block, seen_count, upstream_panel, head_width, gradients);
      if (is_causal) hide_later_rows((__local float *)scores, key, seen_count, query);
      for (uint v = 0; v * LANES < count; v++) {
        __global const float *of = HEAD_STATISTICS + query + v * LANES;
        const uint lanes = count - v * LANES;
        const vfloat max_score = load_up_to(of, lanes), inverse = load_up_to(of + tokens, lanes);
        const vfloat along = load_up_to(of + 2 * tokens, lanes);
        for (uint i = v; i < seen_count * 2; i += 2)
          scores[i] = exponential(scores[i] - max_score) * inverse * (gradients[i] - along) * factor;
      }
      add_block(scores, count, key_block, seen_count, key == 0, sums);
    }
    store_rows(sums, count, head_width, ROW(query_gradient, first_row + query) + column, query_gradient_stride);
  }
}

__attribute__((reqd_work_group_size(1, 1, 1))) __kernel void attention_backward_keys(
    INPUT(upstream), INPUT(queries), INPUT(keys), INPUT(values), __global const float *statistics, OUTPUT(key_gradient),
    OUTPUT(value_gradient), const uint head_width, const uint tokens, const uint is_causal, const float factor,
    const uint rows_per_item) {
  __local vfloat query_block[BLOCK * VECTORS], upstream_block[BLOCK * VECTORS], scores[BLOCK * 2], gradients[BLOCK * 2];
  __local vfloat key_panel[HEAD_WIDTH * 2], value_panel[HEAD_WIDTH * 2];
  __local vfloat key_sums[PANEL_ROWS * VECTORS], value_sums[PANEL_ROWS * VECTORS];
  const uint column = get_global_id(1) * head_width, first_row = get_global_id(2) * tokens;
  const uint begin = get_global_id(0) * rows_per_item, end = min(begin + rows_per_item, tokens);
  uint copied = tokens;
  for (uint key = begin; key < end; key += PANEL_ROWS) {
    const uint count = min(end - key, (uint)PANEL_ROWS), first_query = is_causal ? key / BLOCK * BLOCK : 0;
    turn_panel(ROW(keys, first_row + key) + column, keys_stride, count, head_width, factor, key_panel);
    turn_panel(ROW(values, first_row + key) + column, values_stride, count, head_width, 1.0f, value_panel);
    for (uint query = first_query; query < tokens; query += BLOCK) {
      const uint query_count = min(tokens - query, (uint)BLOCK);
      if (copied != query) {
        copy_block(ROW(queries, first_row + query) + column, queries_stride, query_count, head_width, query_block);
        copy_block(ROW(upstream, first_row + query) + column, upstream_stride, query_count, head_width, upstream_block);
        copied = query;
      }
      multiply_block(query_block, query_count, key_panel, head_width, scores);
      multiply_block(upstream_block, query_count, value_panel, head_width, gradients);
      if (is_causal) hide_later_lanes((__local float *)scores, query, query_count, key);
      __global const float *of = HEAD_STATISTICS + query;
      for (uint i = 0; i < query_count; i++)
        for (uint v = 2 * i; v < 2 * i + 2; v++) {
          const vfloat map = exponential(scores[v] - of[i]) * of[tokens + i];
          scores[v] = map;
          gradients[v] = map * (gradients[v] - of[2 * tokens + i]) * factor;
        }
      add_block(gradients, count, query_block, query_count, query == first_query, key_sums);
      add_block(scores, count, upstream_block, query_count, query == first_query, value_sums);
    }
    store_rows(key_sums, count, head_width, ROW(key_gradient, first_row + key) + column, key_gradient_stride);
    store_rows(value_sums, count, head_width, ROW(value_gradient, first_row + key) + column, value_gradient_stride);
  }
}
