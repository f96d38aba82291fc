// Single rows of attention maps.

static void key_scores(const struct legrad_key_scores *o, ptrdiff_t begin, ptrdiff_t end) {
  const ptrdiff_t tokens = o->stack.tokens, width = o->head_width;
  for (ptrdiff_t item = begin; item < end; item++) {
    const ptrdiff_t stacked = item / o->heads, column = item % o->heads * width;
    const float *row = o->rows + stacked % o->row_count * o->row_stride + column;
    const float *token = o->tokens + stacked / o->stack.prompts * tokens * o->token_stride + column;
    float *to = o->scores + item * o->score_stride;
    for (ptrdiff_t key = 0; key < tokens; key++, token += o->token_stride)
      to[key] = o->factor * SUM_OVER_ROW(width, c, n, load_up_to(row + c, n) * load_up_to(token + c, n));
  }
}

INLINE vfloat positive(vfloat v) { return choose(v < splat(0), splat(0), v); }

static void key_relevance(const struct legrad_key_relevance *o, ptrdiff_t begin, ptrdiff_t end) {
  const enum legrad_head_reading reading = o->reading;
  for (ptrdiff_t row = begin; row < end; row++) {
    const float *map = o->map ? o->map + row / o->prompts * o->heads * o->map_stride : NULL;
    const float *gradient = o->gradient ? o->gradient + row * o->heads * o->gradient_stride : NULL;
    float *to = o->relevance + row * o->relevance_stride;
    EACH_IN_ROW(o->tokens, c, n, { store_up_to(to + c, splat(0), n); });
    for (ptrdiff_t head = 0; head < o->heads; head++) {
      const float *a = map ? map + head * o->map_stride : NULL;
      const float *g = gradient ? gradient + head * o->gradient_stride : NULL;
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

static void token_sums(const struct legrad_token_sums *o, ptrdiff_t begin, ptrdiff_t end) {
  for (ptrdiff_t row = begin; row < end; row++) {
    const float *weights = o->weights + row * o->weight_stride;
    const float *tokens = o->token_values + row / o->rows_per_image * o->tokens * o->token_stride;
    float *to = o->sums + row * o->sum_stride;
    EACH_IN_ROW(o->columns, c, n, {
      vfloat sum = splat(0);
      for (ptrdiff_t token = 0; token < o->tokens; token++)
        sum = multiply_add(splat(weights[token]), load_up_to(tokens + token * o->token_stride + c, n), sum);
      store_up_to(to + c, sum, n);
    });
  }
}
