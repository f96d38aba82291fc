// Products with packed weights, and what is done to a tile before it is stored.

INLINE vfloat widen_even(const uint32_t *words) {
  vword w;
  __builtin_memcpy(&w, words, sizeof w);
  return (vfloat)(w << 16);
}
INLINE vfloat widen_odd(const uint32_t *words) {
  vword w;
  __builtin_memcpy(&w, words, sizeof w);
  return (vfloat)(w & splat_word(0xffff0000u));
}

// `rows` (even for bfloat16) rows of a panel, from row `first` of it, as floats.
INLINE void widen_rows(enum legrad_storage storage, const void *panel, ptrdiff_t first, ptrdiff_t rows, float *to) {
  if (storage == LEGRAD_F16) {
    const uint16_t *from = (const uint16_t *)panel + first * TILE_COLUMNS;
    for (ptrdiff_t i = 0; i < rows * TILE_COLUMNS; i += LANES) store(to + i, widen_halves(from + i));
  } else {
    const uint32_t *from = (const uint32_t *)panel + first / 2 * TILE_COLUMNS;
    for (ptrdiff_t k = 0; k < rows; k += 2, from += TILE_COLUMNS, to += 2 * TILE_COLUMNS) {
      for (int v = 0; v < TILE_COLUMNS; v += LANES) {
        store(to + v, widen_even(from + v));
        store(to + TILE_COLUMNS + v, widen_odd(from + v));
      }
    }
  }
}

// A square of bfloat16, words of input pairs [k / 2][n] to words of output pairs [n / 2][k].
INLINE void transpose_pairs(const uint32_t *from, float *to) {
  for (int n = 0; n < TILE_COLUMNS; n += 4) {
    vfloat columns[4];
    transpose_columns((const float *)from + n, TILE_COLUMNS, columns);
    for (int i = 0; i < 4; i += 2, to += TILE_COLUMNS) {
      const vword first = (vword)columns[i], second = (vword)columns[i + 1];
      const vword even = (first & splat_word(0xffff)) | second << 16;
      const vword odd = first >> 16 | (second & splat_word(0xffff0000u));
      store(to, (vfloat)interleave_low(even, odd));
      store(to + LANES, (vfloat)interleave_high(even, odd));
    }
  }
}

// The right operand of panels begin ..< end of the transposed side for depth first ..< first + depth, in `to`, one
// panel after the other with `panel_size` words each. The weight is read in the order of its memory.
INLINE void transpose_panels(
    const struct legrad_product *p, ptrdiff_t begin, ptrdiff_t end, ptrdiff_t first, ptrdiff_t depth, float *to,
    ptrdiff_t panel_size) {
  const struct legrad_weight *w = &p->weight;
  const ptrdiff_t element = w->storage == LEGRAD_F32 ? 4 : 2, weight_panel = w->padded_inputs * TILE_COLUMNS;
  const char *weights = w->panels;
  const ptrdiff_t square = TILE_COLUMNS * TILE_COLUMNS;
  for (ptrdiff_t n = 0; n < depth; n += TILE_COLUMNS) {
    const char *source = weights + (first + n) / TILE_COLUMNS * weight_panel * element;
    for (ptrdiff_t panel = begin; panel < end; panel++) {
      const char *from = source + panel * square * element;
      // The same panels' next piece lies far away, where the processor does not look by itself.
      if (first + n + TILE_COLUMNS < p->depth)
        for (ptrdiff_t line = 0; line < square * element; line += 64)
          __builtin_prefetch(from + weight_panel * element + line, 0, 2);
      float *target = to + (panel - begin) * panel_size + n * TILE_COLUMNS / (p->pairs ? 2 : 1);
      if (p->pairs) {
        transpose_pairs((const uint32_t *)from, target);
      } else if (w->storage == LEGRAD_F32) {
        transpose_square((const float *)from, target);
      } else {
        float wide[TILE_COLUMNS * TILE_COLUMNS];
        widen_rows(w->storage, from, 0, TILE_COLUMNS, wide);
        transpose_square(wide, target);
      }
    }
  }
}

INLINE void finish_with(
    const struct legrad_product *p, const float *tile, ptrdiff_t row, ptrdiff_t rows, ptrdiff_t column,
    enum legrad_activation activation) {
  // Copies: a store could change what `p` points to, as far as the compiler knows.
  const struct legrad_matrix output = p->output, derivative = p->derivative, slopes = p->slopes;
  const struct legrad_input residual = p->residual;
  const ptrdiff_t residual_rows = p->residual_rows, columns = p->columns;
  const float *const biases = p->bias;
  for (ptrdiff_t v = 0; v < TILE_COLUMNS && column + v < columns; v += LANES) {
    const ptrdiff_t at = column + v, count = columns - at;
    const vfloat bias = biases ? load_up_to(biases + at, count) : splat(0);
    for (ptrdiff_t r = 0; r < rows; r++) {
      const vfloat sum = load(tile + r * TILE_COLUMNS + v);
      vfloat x = sum;
      if (biases) x += bias;
      if (activation != LEGRAD_IDENTITY) {
        const struct activated a = activated(activation, x);
        if (derivative.base) store_up_to(ROW(derivative, row + r) + at, a.derivative, count);
        if (slopes.base) store_up_to(ROW(slopes, row + r) + at, a.derivative * sum, count);
        x = a.value;
      }
      if (residual.base) x += load_up_to(ROW(residual, (row + r) % residual_rows) + at, count);
      store_up_to(ROW(output, row + r) + at, x, count);
    }
  }
}

// What finish_tile reads and writes, on its way while the tile is summed.
INLINE void fetch_finish(const struct legrad_product *p, ptrdiff_t row, ptrdiff_t rows, ptrdiff_t column) {
  for (ptrdiff_t r = 0; r < rows; r++)
    for (ptrdiff_t v = 0; v < TILE_COLUMNS && column + v < p->columns; v += 16) {
      __builtin_prefetch(ROW(p->output, row + r) + column + v, 1, 3);
      if (p->residual.base) __builtin_prefetch(ROW(p->residual, (row + r) % p->residual_rows) + column + v, 0, 3);
    }
}

static void finish_tile(
    const struct legrad_product *p, const float *tile, ptrdiff_t row, ptrdiff_t rows, ptrdiff_t column) {
  switch (p->activation) {
    case LEGRAD_IDENTITY: finish_with(p, tile, row, rows, column, LEGRAD_IDENTITY); break;
    case LEGRAD_GELU: finish_with(p, tile, row, rows, column, LEGRAD_GELU); break;
    case LEGRAD_QUICK_GELU: finish_with(p, tile, row, rows, column, LEGRAD_QUICK_GELU); break;
    case LEGRAD_GELU_TANH: finish_with(p, tile, row, rows, column, LEGRAD_GELU_TANH); break;
    case LEGRAD_SILU: finish_with(p, tile, row, rows, column, LEGRAD_SILU); break;
  }
}

// Whether the weight can be read by the tiles as it lies.
INLINE bool reads_weight_directly(const struct legrad_product *p) {
  return !p->transposed && (p->weight.storage == LEGRAD_F32 || p->pairs);
}

// Memory to be read soon: `chunks` pieces of `chunk` bytes, `stride` apart.
struct upcoming {
  const char *piece;
  ptrdiff_t chunks, chunk, stride, done;
};

// The weight's memory for panels begin ..< end at depth first ..< first + depth; nothing past the last block, and
// the next panels after it.
INLINE struct upcoming weight_ahead(
    const struct legrad_product *p, ptrdiff_t begin, ptrdiff_t end, ptrdiff_t first) {
  const struct legrad_weight *w = &p->weight;
  const ptrdiff_t element = w->storage == LEGRAD_F32 ? 4 : 2, panel = w->padded_inputs * TILE_COLUMNS * element;
  const ptrdiff_t panels = end - begin;
  if (first >= p->depth) {
    first = 0;
    begin = end;
    const ptrdiff_t in_memory = p->transposed ? tiles_of(p->columns, TILE_COLUMNS) : w->first_panel + w->panel_count;
    end = smaller_count(end + panels, in_memory);
  }
  const ptrdiff_t depth = smaller_count(p->depth - first, p->depth_block);
  const char *weights = w->panels;
  struct upcoming u = {weights, 0, 0, panel, 0};
  if (begin >= end) return u;
  if (p->transposed) {
    u.piece = weights + first / TILE_COLUMNS * panel + begin * TILE_COLUMNS * TILE_COLUMNS * element;
    u.chunks = tiles_of(depth, TILE_COLUMNS);
    u.chunk = (end - begin) * TILE_COLUMNS * TILE_COLUMNS * element;
  } else {
    u.piece = weights + (begin - w->first_panel) * panel + first * TILE_COLUMNS * element;
    u.chunks = end - begin;
    u.chunk = depth * TILE_COLUMNS * element;
  }
  return u;
}

INLINE void fetch_ahead(struct upcoming *u, ptrdiff_t lines) {
  for (; lines > 0 && u->chunks > 0; lines--) {
    __builtin_prefetch(u->piece + u->done, 0, 2);
    u->done += 64;
    if (u->done < u->chunk) continue;
    u->piece += u->stride;
    u->done = 0;
    u->chunks--;
  }
}

static ptrdiff_t product_scratch(const struct legrad_product *p, ptrdiff_t row_tiles, ptrdiff_t panels) {
  const ptrdiff_t expanded = reads_weight_directly(p) ? 0 : smaller_count(p->depth, p->depth_block) + TILE_COLUMNS;
  return panels * (row_tiles * TILE_SIZE + expanded * TILE_COLUMNS);
}

static void product(
    const struct legrad_product *p, ptrdiff_t tile_begin, ptrdiff_t tile_end, ptrdiff_t panel_begin,
    ptrdiff_t panel_end, float *scratch) {
  const ptrdiff_t all_tiles = tiles_of(p->rows, TILE_ROWS), tile_count = tile_end - tile_begin;
  if (tile_count <= 0 || panel_begin >= panel_end) return;
  const ptrdiff_t word = p->pairs ? 2 : 1;
  const ptrdiff_t panel_size = (smaller_count(p->depth, p->depth_block) + TILE_COLUMNS) * TILE_COLUMNS;
  float *const partial = scratch, *const expanded = scratch + (panel_end - panel_begin) * tile_count * TILE_SIZE;
  const bool direct = reads_weight_directly(p);
  const ptrdiff_t element = p->weight.storage == LEGRAD_F32 ? 4 : 2;
  const ptrdiff_t weight_panel = p->weight.padded_inputs * TILE_COLUMNS * element;
  const char *const weights = p->weight.panels;
  const ptrdiff_t first = p->weight.first_panel;
  for (ptrdiff_t k = 0; k < p->depth; k += p->depth_block) {
    const ptrdiff_t depth = smaller_count(p->depth - k, p->depth_block), words = (depth + word - 1) / word;
    const bool last = k + depth == p->depth;
    if (p->transposed) transpose_panels(p, panel_begin, panel_end, k, depth, expanded, panel_size);
    struct upcoming next = weight_ahead(p, panel_begin, panel_end, k + depth);
    const ptrdiff_t lines = next.chunks * next.chunk / 64 / ((panel_end - panel_begin) * tile_count) + 1;
    for (ptrdiff_t panel = panel_begin; panel < panel_end; panel++) {
      const ptrdiff_t number = panel - panel_begin;
      const float *right = expanded;
      if (direct) right = (const float *)(weights + (panel - first) * weight_panel + k * TILE_COLUMNS * element);
      else if (p->transposed) right += number * panel_size;
      else widen_rows(p->weight.storage, weights + (panel - first) * weight_panel, k, depth + (depth & 1), expanded);
      for (ptrdiff_t tile = tile_begin; tile < tile_end; tile++) {
        const ptrdiff_t row = tile * TILE_ROWS, rows = smaller_count(p->rows - row, TILE_ROWS);
        const float *left = p->left + (k / word * all_tiles + tile * words) * TILE_ROWS;
        float *to = partial + (number * tile_count + tile - tile_begin) * TILE_SIZE;
        if (tile_count >= 8 || !direct) fetch_ahead(&next, lines);
        if (last) fetch_finish(p, p->first_row + row, rows, panel * TILE_COLUMNS);
        tile_function *const *functions = p->pairs ? pair_tiles : tiles;
        functions[rows - 1](words, left, right, to, k == 0 ? TILE_SET : TILE_ADD);
        if (last) finish_tile(p, to, p->first_row + row, rows, panel * TILE_COLUMNS);
      }
    }
  }
}
