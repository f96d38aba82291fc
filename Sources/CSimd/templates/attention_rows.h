// Single rows of attention maps, and rows of weights carried through whole maps.

static void key_scores(const struct legrad_key_scores *o, ptrdiff_t begin, ptrdiff_t end) {
  const ptrdiff_t tokens = o->stack.tokens, width = o->head_width;
  for (ptrdiff_t item = begin; item < end; item++) {
    const ptrdiff_t stacked = item / o->heads, column = item % o->heads * width;
    const float *row = ROW(o->rows, stacked % o->row_count) + column;
    const float *token = ROW(o->tokens, stacked / o->stack.prompts * tokens) + column;
    float *to = ROW(o->scores, item);
    for (ptrdiff_t key = 0; key < tokens; key++, token += o->tokens.stride)
      to[key] = o->factor * SUM_OVER_ROW(width, c, n, load_up_to(row + c, n) * load_up_to(token + c, n));
  }
}

INLINE vfloat positive(vfloat v) { return choose(v < splat(0), splat(0), v); }

static void key_relevance(const struct legrad_key_relevance *o, ptrdiff_t begin, ptrdiff_t end) {
  const enum legrad_head_reading reading = o->reading;
  for (ptrdiff_t row = begin; row < end; row++) {
    const float *map = OPTIONAL_ROW(o->map, row / o->prompts * o->heads);
    const float *gradient = OPTIONAL_ROW(o->gradient, row * o->heads);
    float *to = ROW(o->relevance, row);
    EACH_IN_ROW(o->tokens, c, n, { store_up_to(to + c, splat(0), n); });
    for (ptrdiff_t head = 0; head < o->heads; head++) {
      const float *a = map ? map + head * o->map.stride : NULL;
      const float *g = gradient ? gradient + head * o->gradient.stride : NULL;
      vfloat weight = splat(1);
      if (reading == LEGRAD_WEIGHTED_MAP) {
        const ptrdiff_t keys = o->tokens - o->leading_keys;
        weight = splat(SUM_OVER_ROW(keys, c, n, load_up_to(g + o->leading_keys + c, n)) / (float)keys);
      }
      EACH_IN_ROW(o->tokens, c, n, {
        vfloat term = a ? load_up_to(a + c, n) : splat(1);
        if (reading == LEGRAD_WEIGHTED_MAP) term *= weight;
        else if (g) term *= load_up_to(g + c, n);
        if (reading == LEGRAD_POSITIVE_GRADIENT || reading == LEGRAD_POSITIVE_PRODUCT) term = positive(term);
        store_up_to(to + c, load_up_to(to + c, n) + term, n);
      });
    }
    EACH_IN_ROW(o->tokens, c, n, {
      vfloat sum = load_up_to(to + c, n);
      if (reading == LEGRAD_WEIGHTED_MAP) sum = positive(sum);
      store_up_to(to + c, splat(o->factor) * sum, n);
    });
  }
}

static ptrdiff_t row_through_map_scratch(ptrdiff_t tokens, ptrdiff_t width) {
  const ptrdiff_t padded_tokens = tokens + TILE_ROWS;
  return 2 * ALIGNED(padded_tokens * width) + (2 * padded_tokens + width) * TILE_COLUMNS + padded_tokens * LANES;
}

// sums[key][lane] += weight · e^(score − max) of the lane's queries, times the gradient's positive part where there
// is one.
INLINE void add_weighted_map(
    const float *map, const float *gradient, ptrdiff_t tokens, int vectors, const vfloat weights[2], float *sums) {
  for (ptrdiff_t key = 0; key < tokens; key++) {
    vfloat sum = load(sums + key * LANES);
    for (int v = 0; v < vectors; v++) {
      const ptrdiff_t at = (key * vectors + v) * LANES;
      vfloat term = load(map + at) * weights[v];
      if (gradient) term *= positive(load(gradient + at));
      sum += term;
    }
    store(sums + key * LANES, sum);
  }
}

static void row_through_map(const struct legrad_row_through_map *o, ptrdiff_t begin, ptrdiff_t end, float *scratch) {
  const ptrdiff_t tokens = o->stack.tokens, width = o->head_width, padded_tokens = tokens + TILE_ROWS;
  float *const key_rows = scratch, *const value_rows = key_rows + ALIGNED(padded_tokens * width);
  float *const map = value_rows + ALIGNED(padded_tokens * width);
  float *const gradient = map + padded_tokens * TILE_COLUMNS, *const panel = gradient + padded_tokens * TILE_COLUMNS;
  float *const sums = panel + width * TILE_COLUMNS;
  const float factor = 1 / sqrtf((float)width);
  for (ptrdiff_t item = begin; item < end; item++) {
    const ptrdiff_t stacked = item / o->heads, column = item % o->heads * width;
    const ptrdiff_t first = stacked / o->stack.prompts * tokens;
    const float *row = ROW(o->row, stacked);
    pack_row_tiles(ROW(o->keys, first) + column, o->keys.stride, tokens, width, key_rows);
    if (o->values.base) pack_row_tiles(ROW(o->values, first) + column, o->values.stride, tokens, width, value_rows);
    for (ptrdiff_t i = 0; i < tokens * LANES; i += LANES) store(sums + i, splat(0));
    for (ptrdiff_t query = 0; query < tokens; query += TILE_COLUMNS) {
      const ptrdiff_t count = smaller_count(tokens - query, TILE_COLUMNS);
      const int vectors = count > LANES ? 2 : 1;
      query_panel(
          ROW(o->queries, first + query) + column, o->queries.stride, count, width, vectors, factor,
          panel);
      multiply_tiles(key_rows, tokens, width, vectors, panel, map);
      vfloat weights[2];
      exponentiate_keys(map, tokens, vectors, -1, weights);
      for (int v = 0; v < vectors; v++)
        weights[v] *= load_up_to(row + query + v * LANES, count - v * LANES);
      if (o->values.base) {
        query_panel(
            ROW(o->output_gradient, stacked * tokens + query) + column,
            o->output_gradient.stride, count, width, vectors, 1, panel);
        multiply_tiles(value_rows, tokens, width, vectors, panel, gradient);
      }
      add_weighted_map(map, o->values.base ? gradient : NULL, tokens, vectors, weights, sums);
    }
    for (ptrdiff_t key = 0; key < tokens; key++) o->sums[item * tokens + key] = sum_of_lanes(load(sums + key * LANES));
  }
}

static void row_mean(const struct legrad_row_mean *o, ptrdiff_t begin, ptrdiff_t end) {
  for (ptrdiff_t row = begin; row < end; row++) {
    const float *sums = o->sums + row * o->heads * o->tokens, *from = ROW(o->row, row);
    float *to = ROW(o->output, row);
    for (ptrdiff_t key = 0; key < o->tokens; key++) {
      float sum = 0;
      for (ptrdiff_t head = 0; head < o->heads; head++) sum += sums[head * o->tokens + key];
      to[key] = o->factor * (from[key] + sum / (float)o->heads);
    }
  }
}

static void token_sums(const struct legrad_token_sums *o, ptrdiff_t begin, ptrdiff_t end) {
  for (ptrdiff_t row = begin; row < end; row++) {
    const float *weights = ROW(o->weights, row);
    const float *tokens = ROW(o->token_values, row / o->rows_per_image * o->tokens);
    float *to = ROW(o->sums, row);
    EACH_IN_ROW(o->columns, c, n, {
      vfloat sum = splat(0);
      for (ptrdiff_t token = 0; token < o->tokens; token++)
        sum = multiply_add(splat(weights[token]), load_up_to(tokens + token * o->token_values.stride + c, n), sum);
      store_up_to(to + c, sum, n);
    });
  }
}

static void token_sums_backward(const struct legrad_token_sums_backward *o, ptrdiff_t begin, ptrdiff_t end) {
  for (ptrdiff_t row = begin; row < end; row++) {
    const ptrdiff_t first = row / o->tokens * o->rows_per_group;
    const float *weights = ROW(o->weights, first) + row % o->tokens;
    float *to = ROW(o->gradient, row);
    EACH_IN_ROW(o->columns, c, n, {
      vfloat sum = o->accumulates ? load_up_to(to + c, n) : splat(0);
      for (ptrdiff_t item = 0; item < o->rows_per_group; item++) {
        const float *upstream = ROW(o->upstream, (first + item) % o->upstream_count);
        sum = multiply_add(splat(weights[item * o->weights.stride]), load_up_to(upstream + c, n), sum);
      }
      store_up_to(to + c, sum, n);
    });
  }
}
