// The gradients of attention's inputs. The map is recomputed for a block of queries at a time, so that the inner
// dimension of dV = Aᵀ dO and dK = dSᵀ Q is a whole block.

#define QUERY_TILES_PER_BLOCK 8
#define QUERIES_PER_BLOCK (QUERY_TILES_PER_BLOCK * TILE_COLUMNS)

// Rows as a right operand: to[panel of columns][row][TILE_COLUMNS], `all_rows` rows per panel, zeros past the edges.
INLINE void pack_column_panels(
    const float *from, ptrdiff_t stride, ptrdiff_t rows, ptrdiff_t all_rows, ptrdiff_t width, float *to) {
  for (ptrdiff_t first = 0; first < width; first += TILE_COLUMNS) {
    const ptrdiff_t columns = smaller_count(width - first, TILE_COLUMNS);
    for (ptrdiff_t row = 0; row < all_rows; row++, to += TILE_COLUMNS)
      for (ptrdiff_t c = 0; c < TILE_COLUMNS; c++)
        to[c] = row < rows && c < columns ? from[row * stride + first + c] : 0;
  }
}

// sums[key tile][panel][tile] += mapᵀ right, the map as tiles of queries, each [keys][TILE_COLUMNS].
INLINE void add_over_queries(
    const float *map, ptrdiff_t query_tiles, ptrdiff_t tokens, ptrdiff_t width, const float *right, float *left,
    float *sums) {
  const ptrdiff_t map_tile = (tokens + TILE_ROWS) * TILE_COLUMNS, depth = query_tiles * TILE_COLUMNS;
  for (ptrdiff_t key = 0; key < tokens; key += TILE_ROWS) {
    for (ptrdiff_t t = 0; t < query_tiles; t++) {
      const float *rows[TILE_ROWS];
      tile_row_pointers(map + t * map_tile, TILE_COLUMNS, key, tokens, rows);
      pack_rows(rows, NULL, false, TILE_COLUMNS, 0, TILE_COLUMNS, left + t * TILE_SIZE);
    }
    for (ptrdiff_t panel = 0; panel * TILE_COLUMNS < width; panel++, sums += TILE_SIZE)
      tiles[smaller_count(tokens - key, TILE_ROWS) - 1](
          depth, left, right + panel * QUERIES_PER_BLOCK * TILE_COLUMNS, sums, TILE_ADD);
  }
}

INLINE void store_over_queries(
    const float *sums, ptrdiff_t tokens, ptrdiff_t width, float *to, ptrdiff_t stride) {
  for (ptrdiff_t key = 0; key < tokens; key += TILE_ROWS)
    for (ptrdiff_t first = 0; first < width; first += TILE_COLUMNS, sums += TILE_SIZE) {
      const ptrdiff_t rows = smaller_count(tokens - key, TILE_ROWS), columns = smaller_count(width - first, TILE_COLUMNS);
      for (ptrdiff_t r = 0; r < rows; r++)
        __builtin_memcpy(
            to + (key + r) * stride + first, sums + r * TILE_COLUMNS, (size_t)columns * sizeof(float));
    }
}

struct backward_scratch {
  ptrdiff_t operand, map_tile, sums, panel;
  ptrdiff_t floats;
};

INLINE struct backward_scratch backward_scratch(ptrdiff_t tokens, ptrdiff_t width) {
  struct backward_scratch s;
  const ptrdiff_t panels = tiles_of(width, TILE_COLUMNS);
  s.operand = ALIGNED((tokens + TILE_ROWS) * (width + TILE_ROWS));
  s.map_tile = (tokens + TILE_ROWS) * TILE_COLUMNS;
  s.sums = tiles_of(tokens, TILE_ROWS) * panels * TILE_SIZE;
  s.panel = panels * QUERIES_PER_BLOCK * TILE_COLUMNS;
  s.floats = 3 * s.operand + 2 * QUERY_TILES_PER_BLOCK * s.map_tile + 2 * s.sums + 2 * s.panel
             + QUERY_TILES_PER_BLOCK * TILE_SIZE + 2 * (width + TILE_ROWS) * TILE_COLUMNS;
  return s;
}

static ptrdiff_t attention_backward_scratch(ptrdiff_t tokens, ptrdiff_t width) {
  return backward_scratch(tokens, width).floats;
}

// A tile's map [keys][queries] becomes the map itself, and its gradient that of the scores divided by √width.
INLINE void scores_gradient(
    float *map, float *gradient, ptrdiff_t tokens, ptrdiff_t causal_from, float factor) {
  vfloat inverse[2];
  exponentiate_keys(map, tokens, 2, causal_from, inverse);
  for (int v = 0; v < 2; v++) {
    vfloat along = splat(0);
    for (ptrdiff_t i = v * LANES; i < tokens * TILE_COLUMNS; i += TILE_COLUMNS) {
      const vfloat a = load(map + i) * inverse[v];
      store(map + i, a);
      along = multiply_add(a, load(gradient + i), along);
    }
    for (ptrdiff_t i = v * LANES; i < tokens * TILE_COLUMNS; i += TILE_COLUMNS)
      store(gradient + i, load(map + i) * (load(gradient + i) - along) * splat(factor));
  }
}

static void attention_backward(
    const struct legrad_attention_backward *o, ptrdiff_t begin, ptrdiff_t end, float *scratch) {
  const ptrdiff_t tokens = o->tokens, width = o->head_width;
  const struct backward_scratch s = backward_scratch(tokens, width);
  float *const key_rows = scratch, *const value_rows = key_rows + s.operand, *const key_columns = value_rows + s.operand;
  float *const maps = key_columns + s.operand, *const gradients = maps + QUERY_TILES_PER_BLOCK * s.map_tile;
  float *const value_sums = gradients + QUERY_TILES_PER_BLOCK * s.map_tile, *const key_sums = value_sums + s.sums;
  float *const upstream_panels = key_sums + s.sums, *const query_panels = upstream_panels + s.panel;
  float *const left = query_panels + s.panel, *const panel = left + QUERY_TILES_PER_BLOCK * TILE_SIZE;
  float *const query_sums = panel + (width + TILE_ROWS) * TILE_COLUMNS;
  const float factor = 1 / sqrtf((float)width);
  for (ptrdiff_t item = begin; item < end; item++) {
    const ptrdiff_t row = item / o->heads * tokens, column = item % o->heads * width;
    const float *queries = ROW(o->queries, row) + column;
    const float *keys = ROW(o->keys, row) + column;
    const float *values = ROW(o->values, row) + column;
    const float *upstream = ROW(o->upstream, row) + column;
    pack_row_tiles(keys, o->keys.stride, tokens, width, key_rows);
    pack_row_tiles(values, o->values.stride, tokens, width, value_rows);
    pack_column_tiles(keys, o->keys.stride, tokens, width, key_columns);
    for (ptrdiff_t i = 0; i < s.sums; i += LANES) {
      store(value_sums + i, splat(0));
      store(key_sums + i, splat(0));
    }
    for (ptrdiff_t block = 0; block < tokens; block += QUERIES_PER_BLOCK) {
      const ptrdiff_t block_end = smaller_count(block + QUERIES_PER_BLOCK, tokens);
      const ptrdiff_t query_tiles = tiles_of(block_end - block, TILE_COLUMNS);
      for (ptrdiff_t t = 0; t < query_tiles; t++) {
        const ptrdiff_t query = block + t * TILE_COLUMNS, count = smaller_count(tokens - query, TILE_COLUMNS);
        float *map = maps + t * s.map_tile, *gradient = gradients + t * s.map_tile;
        query_panel(queries + query * o->queries.stride, o->queries.stride, count, width, 2, factor, panel);
        multiply_tiles(key_rows, tokens, width, 2, panel, map);
        query_panel(upstream + query * o->upstream.stride, o->upstream.stride, count, width, 2, 1, panel);
        multiply_tiles(value_rows, tokens, width, 2, panel, gradient);
        scores_gradient(map, gradient, tokens, o->causal ? query : -1, factor);
        multiply_tiles(key_columns, width, tokens, 2, gradient, query_sums);
        store_queries(
            query_sums, width, 2, ROW(o->query_gradient, row + query) + column,
            o->query_gradient.stride, count);
      }
      pack_column_panels(
          upstream + block * o->upstream.stride, o->upstream.stride, block_end - block, QUERIES_PER_BLOCK, width,
          upstream_panels);
      pack_column_panels(
          queries + block * o->queries.stride, o->queries.stride, block_end - block, QUERIES_PER_BLOCK, width,
          query_panels);
      add_over_queries(maps, query_tiles, tokens, width, upstream_panels, left, value_sums);
      add_over_queries(gradients, query_tiles, tokens, width, query_panels, left, key_sums);
    }
    store_over_queries(
        value_sums, tokens, width, ROW(o->value_gradient, row) + column,
        o->value_gradient.stride);
    store_over_queries(
        key_sums, tokens, width, ROW(o->key_gradient, row) + column, o->key_gradient.stride);
  }
}
