// Attention on register tiles. Scores are kept key by key with one query per lane, [keys][queries of the tile]:
// softmax then runs over vectors without a sum across lanes, and the map is at once the right operand of the next
// product.

#define ALIGNED(count) (((count) + 15) / 16 * 16)

// Columns of LANES · vectors queries: to[c][q] = factor · from[q][c], zero for queries past `count`.
INLINE void query_panel(
    const float *from, ptrdiff_t stride, ptrdiff_t count, ptrdiff_t width, int vectors, float factor, float *to) {
  const vfloat factors = splat(factor);
  for (int v = 0; v < vectors; v++) {
    const ptrdiff_t rows = count - v * LANES;
    transpose_strip(from + (rows > 0 ? v * LANES * stride : 0), stride, rows, width, to + v * LANES, vectors * LANES);
  }
  for (ptrdiff_t i = 0; i < width * vectors * LANES; i += LANES) store(to + i, load(to + i) * factors);
}

// The columns of `from` [rows, width] in tiles: to[tile][row][TILE_ROWS], zero past the width.
INLINE void pack_column_tiles(const float *from, ptrdiff_t stride, ptrdiff_t rows, ptrdiff_t width, float *to) {
  for (ptrdiff_t first = 0; first < width; first += TILE_ROWS) {
    const ptrdiff_t columns = smaller_count(width - first, TILE_ROWS);
    for (ptrdiff_t row = 0; row < rows; row++, to += TILE_ROWS)
      for (ptrdiff_t c = 0; c < TILE_ROWS; c++) to[c] = c < columns ? from[row * stride + first + c] : 0;
  }
}

// All tiles of a product: to [rows][vectors * LANES].
INLINE void multiply_tiles(
    const float *left, ptrdiff_t rows, ptrdiff_t depth, int vectors, const float *right, float *to) {
  tile_function *const *functions = vectors > 1 ? tiles : single_vector_tiles;
  for (ptrdiff_t row = 0; row < rows; row += TILE_ROWS)
    functions[smaller_count(rows - row, TILE_ROWS) - 1](
        depth, left + row * depth, right, to + row * vectors * LANES, TILE_SET);
}

// Scores to e^(score − max) in place; `causal_from` is the number of the tile's first query, or negative where
// every key is seen. Returns the reciprocals of the sums.
INLINE void exponentiate_keys(float *scores, ptrdiff_t keys, int vectors, ptrdiff_t causal_from, vfloat inverse[2]) {
  for (int v = 0; v < vectors; v++) {
    float *const column = scores + v * LANES;
    const ptrdiff_t step = vectors * LANES;
    if (causal_from >= 0) {
      const vint queries = (vint)LANE_NUMBERS + splat_int((int32_t)(causal_from + v * LANES));
      for (ptrdiff_t key = causal_from + 1; key < keys; key++) {
        float *at = column + key * step;
        store(at, choose(queries < splat_int((int32_t)key), splat(-INFINITY), load(at)));
      }
    }
    vfloat top = load(column), sum = splat(0);
    for (ptrdiff_t key = 1; key < keys; key++) top = larger(load(column + key * step), top);
    for (ptrdiff_t key = 0; key < keys; key++) {
      const vfloat e = exponential(load(column + key * step) - top);
      store(column + key * step, e);
      sum += e;
    }
    inverse[v] = splat(1) / sum;
  }
}

// to[q][c] = from[c][q] for `count` queries.
INLINE void store_queries(
    const float *from, ptrdiff_t width, int vectors, float *to, ptrdiff_t stride, ptrdiff_t count) {
  ptrdiff_t c = 0;
  for (; c + LANES <= width; c += LANES)
    for (ptrdiff_t q = 0; q < count; q += 4) {
      vfloat columns[4];
      transpose_columns(from + c * vectors * LANES + q, vectors * LANES, columns);
      for (int i = 0; i < 4 && q + i < count; i++) store(to + (q + i) * stride + c, columns[i]);
    }
  for (; c < width; c++)
    for (ptrdiff_t q = 0; q < count; q++) to[q * stride + c] = from[c * vectors * LANES + q];
}

static ptrdiff_t attention_scratch(ptrdiff_t tokens, ptrdiff_t width) {
  const ptrdiff_t padded_tokens = tokens + TILE_ROWS, padded_width = width + TILE_ROWS;
  return ALIGNED(padded_tokens * width) + ALIGNED(padded_width * tokens)
         + (width + padded_tokens + padded_width) * TILE_COLUMNS;
}

static void attention(const struct legrad_attention *o, ptrdiff_t begin, ptrdiff_t end, float *scratch) {
  const ptrdiff_t tokens = o->tokens, width = o->head_width;
  float *const keys = scratch;
  float *const values = keys + ALIGNED((tokens + TILE_ROWS) * width);
  float *const queries = values + ALIGNED((width + TILE_ROWS) * tokens);
  float *const scores = queries + width * TILE_COLUMNS;
  float *const sums = scores + (tokens + TILE_ROWS) * TILE_COLUMNS;
  const float factor = 1 / sqrtf((float)width);
  ptrdiff_t packed = -1;
  for (ptrdiff_t item = begin; item < end; item++) {
    const ptrdiff_t head_item = item / o->chunks, chunk = item % o->chunks;
    const ptrdiff_t row = head_item / o->heads * tokens, column = head_item % o->heads * width;
    if (packed != head_item) {
      pack_row_tiles(ROW(o->keys, row) + column, o->keys.stride, tokens, width, keys);
      pack_column_tiles(ROW(o->values, row) + column, o->values.stride, tokens, width, values);
      packed = head_item;
    }
    const ptrdiff_t chunk_queries = o->query_tiles_per_chunk * TILE_COLUMNS;
    const ptrdiff_t last = smaller_count((chunk + 1) * chunk_queries, tokens);
    for (ptrdiff_t query = chunk * chunk_queries; query < last; query += TILE_COLUMNS) {
      const ptrdiff_t count = smaller_count(last - query, TILE_COLUMNS);
      const int vectors = count > LANES ? 2 : 1;
      const ptrdiff_t seen = o->causal ? smaller_count(query + count, tokens) : tokens;
      query_panel(
          ROW(o->queries, row + query) + column, o->queries.stride, count, width, vectors, factor,
          queries);
      multiply_tiles(keys, seen, width, vectors, queries, scores);
      vfloat inverse[2];
      exponentiate_keys(scores, seen, vectors, o->causal ? query : -1, inverse);
      tile_function *const *functions = vectors > 1 ? tiles : single_vector_tiles;
      for (ptrdiff_t c = 0; c < width; c += TILE_ROWS)
        functions[smaller_count(width - c, TILE_ROWS) - 1](
            seen, values + c * tokens, scores, sums + c * vectors * LANES, TILE_SET);
      for (ptrdiff_t c = 0; c < width; c++)
        for (int v = 0; v < vectors; v++) {
          float *at = sums + (c * vectors + v) * LANES;
          store(at, load(at) * inverse[v]);
        }
      store_queries(
          sums, width, vectors, ROW(o->output, row + query) + column, o->output.stride, count);
    }
  }
}

static ptrdiff_t attention_relevance_scratch(ptrdiff_t tokens, ptrdiff_t width) {
  return ALIGNED((tokens + TILE_ROWS) * width) + width * TILE_COLUMNS;
}

static void attention_relevance(
    const struct legrad_attention_relevance *o, ptrdiff_t begin, ptrdiff_t end, float *scratch) {
  const ptrdiff_t tokens = o->stack.tokens, width = o->head_width;
  float *const gradients = scratch, *const values = gradients + ALIGNED((tokens + TILE_ROWS) * width);
  for (ptrdiff_t item = begin; item < end; item++) {
    const ptrdiff_t stacked = item / o->heads, column = item % o->heads * width;
    const ptrdiff_t value_row = stacked / o->stack.prompts * tokens;
    pack_row_tiles(
        ROW(o->output_gradient, stacked * tokens) + column, o->output_gradient.stride, tokens,
        width, gradients);
    for (ptrdiff_t key = 0; key < tokens; key += TILE_COLUMNS) {
      const ptrdiff_t count = smaller_count(tokens - key, TILE_COLUMNS);
      const int vectors = count > LANES ? 2 : 1;
      query_panel(
          ROW(o->values, value_row + key) + column, o->values.stride, count, width, vectors, 1, values);
      float sums[TILE_COLUMNS] __attribute__((aligned(64))) = {0};
      tile_function *const *functions = vectors > 1 ? tiles : single_vector_tiles;
      for (ptrdiff_t query = 0; query < tokens; query += TILE_ROWS)
        functions[smaller_count(tokens - query, TILE_ROWS) - 1](
            width, gradients + query * width, values, sums, TILE_ADD_POSITIVE);
      __builtin_memcpy(o->sums + item * tokens + key, sums, (size_t)count * sizeof(float));
    }
  }
}

static void relevance_mean(const struct legrad_relevance_mean *o, ptrdiff_t begin, ptrdiff_t end) {
  const float count = (float)o->heads * (float)o->tokens;
  for (ptrdiff_t row = begin; row < end; row++) {
    const float *sums = o->sums + row * o->heads * o->tokens;
    for (ptrdiff_t key = 0; key < o->tokens; key++) {
      float sum = 0;
      for (ptrdiff_t head = 0; head < o->heads; head++) sum += sums[head * o->tokens + key];
      ROW(o->relevance, row)[key] = sum / count;
    }
  }
}
