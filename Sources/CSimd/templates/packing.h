// Operands in the order in which the register tiles read them.

// bfloat16 of a float in the low half, rounded to nearest even; NaN stays NaN.
INLINE quadword bfloat16(quad x) {
  const quadword bits = (quadword)x;
  const quadword rounded = (bits + (quadword){0x7fff, 0x7fff, 0x7fff, 0x7fff} + ((bits >> 16) & 1)) >> 16;
  const quadword quiet = (bits >> 16) | 0x40;
  const quadword is_nan = (quadword)(x != x);
  return (rounded & ~is_nan) | (quiet & is_nan);
}

static inline uint32_t bfloat16_of(float x) { return bfloat16((quad){x, 0, 0, 0})[0]; }

// IEEE half of a float, rounded to nearest even.
static inline uint16_t half_of(float x) {
  uint32_t bits;
  __builtin_memcpy(&bits, &x, sizeof bits);
  const uint32_t sign = bits >> 16 & 0x8000, magnitude = bits & 0x7fffffff;
  if (magnitude > 0x7f800000) return (uint16_t)(sign | 0x7e00);
  if (magnitude >= 0x477ff000) return (uint16_t)(sign | 0x7c00);
  if (magnitude >= 0x38800000) {
    const uint32_t rounded = magnitude + 0xfff + (magnitude >> 13 & 1);
    return (uint16_t)(sign | ((rounded - 0x38000000) >> 13));
  }
  // Below the normal halves: adding 2⁻¹ · 2⁰ lets the addition round at 2⁻²⁴.
  float shifted;
  __builtin_memcpy(&shifted, &magnitude, sizeof shifted);
  shifted += 0.5f;
  __builtin_memcpy(&bits, &shifted, sizeof bits);
  return (uint16_t)(sign | (bits - 0x3f000000));
}

INLINE vfloat widen_halves(const uint16_t *from) {
#if LEGRAD_F16C && LANES == 8
  __m128i halves;
  __builtin_memcpy(&halves, from, sizeof halves);
  return (vfloat)_mm256_cvtph_ps(halves);
#elif LEGRAD_F16C && LANES == 16
  __m256i halves;
  __builtin_memcpy(&halves, from, sizeof halves);
  return (vfloat)_mm512_cvtph_ps(halves);
#else
  typedef uint16_t halves __attribute__((vector_size(2 * LANES)));
  halves packed;
  __builtin_memcpy(&packed, from, sizeof packed);
  const vword h = __builtin_convertvector(packed, vword);
  const vword sign = (h & 0x8000) << 16, magnitude = (h & 0x7fff) << 13;
  // Multiplying by 2¹¹² moves the exponent's bias and makes subnormal halves exact.
  const vfloat scaled = (vfloat)magnitude * splat(0x1p112f);
  const vword special = (vword)(magnitude >= splat_word(0x0f800000)) & splat_word(0x7f800000);
  return (vfloat)((vword)scaled | special | sign);
#endif
}

// to[n][k] = from[k][n] for a square of TILE_COLUMNS.
INLINE void transpose_square(const float *from, float *to) {
  for (int v = 0; v < TILE_COLUMNS; v += LANES)
    for (int n = 0; n < TILE_COLUMNS; n += 4) {
      vfloat columns[4];
      transpose_columns(from + v * TILE_COLUMNS + n, TILE_COLUMNS, columns);
      for (int i = 0; i < 4; i++) store(to + (n + i) * TILE_COLUMNS + v, columns[i]);
    }
}

INLINE ptrdiff_t storage_bytes(enum legrad_storage storage) { return storage == LEGRAD_F32 ? 4 : 2; }

INLINE const char *stored_row(const struct legrad_weight_packing *p, ptrdiff_t row) {
  const struct legrad_stored_weight *s = &p->source;
  return (const char *)s->parts[row / s->part_rows] + row % s->part_rows * p->weight.inputs * storage_bytes(s->type);
}

// `count` ≤ TILE_COLUMNS stored elements as floats, zeros after them up to TILE_COLUMNS.
INLINE void widen_stored(enum legrad_storage type, const char *from, ptrdiff_t count, float *to) {
  if (type == LEGRAD_F32) {
    if (count < TILE_COLUMNS) __builtin_memset(to, 0, TILE_COLUMNS * sizeof(float));
    __builtin_memcpy(to, from, (size_t)count * sizeof(float));
    return;
  }
  uint16_t halves[TILE_COLUMNS] = {0};
  __builtin_memcpy(halves, from, (size_t)count * sizeof(uint16_t));
  for (int v = 0; v < TILE_COLUMNS; v += LANES) {
    if (type == LEGRAD_F16) {
      store(to + v, widen_halves(halves + v));
    } else {
      typedef uint16_t lanes __attribute__((vector_size(2 * LANES)));
      lanes packed;
      __builtin_memcpy(&packed, halves + v, sizeof packed);
      store(to + v, (vfloat)(__builtin_convertvector(packed, vword) << 16));
    }
  }
}

INLINE vword bfloat16_lanes(vfloat x) {
  const vword bits = (vword)x;
  const vword rounded = (bits + splat_word(0x7fff) + ((bits >> 16) & splat_word(1))) >> 16;
  const vword is_nan = (vword)(x != x);
  return (rounded & ~is_nan) | (((bits >> 16) | splat_word(0x40)) & is_nan);
}

// Lanes that are −1 where a finite float became the infinity `low`, bfloat16 bits.
INLINE vint became_infinite(vfloat x, vword low) {
  const vword magnitude = (vword)x & splat_word(0x7fffffff);
  return ((low & splat_word(0x7fff)) == splat_word(0x7f80)) & (magnitude < splat_word(0x7f800000));
}

// A square of floats [input][output] of a panel, in its storage at `to`. Returns how many finite values became
// infinite.
INLINE ptrdiff_t narrow_square(enum legrad_storage storage, const float *square, char *to) {
  const ptrdiff_t count = TILE_COLUMNS * TILE_COLUMNS;
  ptrdiff_t overflows = 0;
  if (storage == LEGRAD_F32) {
    __builtin_memcpy(to, square, (size_t)count * sizeof(float));
  } else if (storage == LEGRAD_F16) {
    uint16_t *halves = (uint16_t *)to;
    for (ptrdiff_t i = 0; i < count; i++) {
      halves[i] = half_of(square[i]);
      overflows += (halves[i] & 0x7fff) == 0x7c00 && square[i] <= FLT_MAX && square[i] >= -FLT_MAX;
    }
  } else {
    vint infinite = splat_int(0);
    for (ptrdiff_t k = 0; k < TILE_COLUMNS; k += 2)
      for (int v = 0; v < TILE_COLUMNS; v += LANES, to += sizeof(vword)) {
        const vfloat even = load(square + k * TILE_COLUMNS + v), odd = load(square + (k + 1) * TILE_COLUMNS + v);
        const vword low = bfloat16_lanes(even), high = bfloat16_lanes(odd);
        const vword words = low | high << 16;
        __builtin_memcpy(to, &words, sizeof words);
        infinite += became_infinite(even, low) + became_infinite(odd, high);
      }
    for (int lane = 0; lane < LANES; lane++) overflows -= infinite[lane];
  }
  return overflows;
}

// A panel whose elements are stored as the weight has them, moved word by word: one float, or the two bfloat16 of
// neighbouring inputs. False, and nothing done, where rows are no whole words, or not in one piece.
INLINE bool pack_words(const struct legrad_weight_packing *p, ptrdiff_t panel, char *to) {
  const struct legrad_weight *w = &p->weight;
  const ptrdiff_t first = panel * TILE_COLUMNS, last = smaller_count(first + TILE_COLUMNS, w->outputs) - 1;
  const ptrdiff_t word = w->storage == LEGRAD_F32 ? 1 : 2, words = w->inputs / word;
  if (p->source.type != w->storage || w->storage == LEGRAD_F16 || w->inputs % word != 0) return false;
  if (first / p->source.part_rows != last / p->source.part_rows) return false;
  float *const packed = (float *)to;
  for (int v = 0; v < TILE_COLUMNS; v += LANES) {
    const ptrdiff_t row = first + v, rows = smaller_count(w->outputs - row, LANES);
    if (rows > 0)
      transpose_strip((const float *)stored_row(p, row), words, rows, words, packed + v, TILE_COLUMNS);
    else
      for (ptrdiff_t k = 0; k < words; k++) store(packed + k * TILE_COLUMNS + v, splat(0));
  }
  for (ptrdiff_t i = words * TILE_COLUMNS; i < w->padded_inputs / word * TILE_COLUMNS; i++) packed[i] = 0;
  return true;
}

static ptrdiff_t pack_weight(const struct legrad_weight_packing *packing, ptrdiff_t begin, ptrdiff_t end) {
  const struct legrad_weight w = packing->weight;
  const ptrdiff_t element = storage_bytes(w.storage), stored = storage_bytes(packing->source.type);
  ptrdiff_t overflows = 0;
  for (ptrdiff_t panel = begin; panel < end; panel++) {
    char *to = (char *)w.panels + (panel - w.first_panel) * w.padded_inputs * TILE_COLUMNS * element;
    if (pack_words(packing, panel, to)) continue;
    const char *rows[TILE_COLUMNS];
    for (ptrdiff_t r = 0; r < TILE_COLUMNS; r++) {
      const ptrdiff_t row = panel * TILE_COLUMNS + r;
      rows[r] = row < w.outputs ? stored_row(packing, row) : NULL;
    }
    for (ptrdiff_t k = 0; k < w.padded_inputs; k += TILE_COLUMNS) {
      float wide[TILE_COLUMNS * TILE_COLUMNS], square[TILE_COLUMNS * TILE_COLUMNS];
      const ptrdiff_t count = smaller_count(w.inputs - k, TILE_COLUMNS);
      for (ptrdiff_t r = 0; r < TILE_COLUMNS; r++) {
        if (rows[r]) widen_stored(packing->source.type, rows[r] + k * stored, count, wide + r * TILE_COLUMNS);
        else __builtin_memset(wide + r * TILE_COLUMNS, 0, TILE_COLUMNS * sizeof(float));
      }
      transpose_square(wide, square);
      overflows += narrow_square(w.storage, square, to + k * TILE_COLUMNS * element);
    }
  }
  return overflows;
}

static uint32_t largest_magnitude(enum legrad_storage type, const void *elements, ptrdiff_t count) {
  uint32_t largest = 0;
  if (type == LEGRAD_F32) {
    for (ptrdiff_t i = 0; i < count; i++) {
      uint32_t bits;
      __builtin_memcpy(&bits, (const char *)elements + i * 4, sizeof bits);
      bits &= 0x7fffffff;
      largest = largest < bits ? bits : largest;
    }
    return largest;
  }
  uint16_t half = 0;
  for (ptrdiff_t i = 0; i < count; i++) {
    uint16_t bits;
    __builtin_memcpy(&bits, (const char *)elements + i * 2, sizeof bits);
    bits &= 0x7fff;
    half = half < bits ? bits : half;
  }
  if (type == LEGRAD_BF16) return (uint32_t)half << 16;
  uint16_t lanes[LANES] = {half};
  const vfloat wide = widen_halves(lanes);
  __builtin_memcpy(&largest, &wide, sizeof largest);
  return largest;
}

// Words `first ..< first + 4` of a row of `depth` elements, zero past its end.
INLINE quad four_words(const float *row, const float *scale, bool pairs, ptrdiff_t first, ptrdiff_t depth) {
  const ptrdiff_t from = pairs ? 2 * first : first, wanted = pairs ? 8 : 4, count = depth - from;
  quad x[2] = {{0, 0, 0, 0}, {0, 0, 0, 0}}, s[2] = {{1, 1, 1, 1}, {1, 1, 1, 1}};
  if (count >= wanted) {
    x[0] = load_quad(row + from);
    if (pairs) x[1] = load_quad(row + from + 4);
    if (scale) {
      s[0] = load_quad(scale + from);
      if (pairs) s[1] = load_quad(scale + from + 4);
    }
  } else if (count > 0) {
    __builtin_memcpy(x, row + from, (size_t)count * sizeof(float));
    if (scale) __builtin_memcpy(s, scale + from, (size_t)count * sizeof(float));
  }
  if (scale) x[0] *= s[0];
  if (!pairs) return x[0];
  if (scale) x[1] *= s[1];
  const quadword low = bfloat16(x[0]), high = bfloat16(x[1]);
  const quadword even = __builtin_shufflevector(low, high, 0, 2, 4, 6);
  const quadword odd = __builtin_shufflevector(low, high, 1, 3, 5, 7);
  return (quad)(even | odd << 16);
}

// LANES words from `first` of a row that has them all; the same words as four_words'.
INLINE vfloat whole_words(const float *row, const float *scale, bool pairs, ptrdiff_t first) {
  const ptrdiff_t from = pairs ? 2 * first : first;
  vfloat x[2] = {load(row + from), pairs ? load(row + from + LANES) : splat(0)};
  if (scale) x[0] *= load(scale + from);
  if (!pairs) return x[0];
  if (scale) x[1] *= load(scale + from + LANES);
  typedef uint64_t two_words __attribute__((vector_size(4 * LANES)));
  typedef uint32_t half_of_words __attribute__((vector_size(2 * LANES)));
  half_of_words halves[2];
  for (int i = 0; i < 2; i++) {
    const two_words both = (two_words)bfloat16_lanes(x[i]);
    halves[i] = __builtin_convertvector(both | both >> 16, half_of_words);
  }
  vfloat words;
  __builtin_memcpy(&words, halves, sizeof words);
  return words;
}

// One tile of rows: to[w * TILE_ROWS + r] = word w of row r, for words first ..< first + words. All TILE_ROWS
// pointers are valid; `scales` is null or has as many.
INLINE void pack_rows(
    const float *const rows[TILE_ROWS], const float *const *scales, bool pairs, ptrdiff_t depth, ptrdiff_t first,
    ptrdiff_t words, float *to) {
  ptrdiff_t w = 0;
  for (; w + LANES <= words && (first + w + LANES) * (pairs ? 2 : 1) <= depth; w += LANES) {
    float *block = to + w * TILE_ROWS;
#pragma clang loop unroll(full)
    for (int r = 0; r < TILE_ROWS; r += 4) {
      vfloat v[4];
#pragma clang loop unroll(full)
      for (int i = 0; i < 4; i++) {
        const int row = r + i < TILE_ROWS ? r + i : TILE_ROWS - 1;
        v[i] = whole_words(rows[row], scales ? scales[row] : NULL, pairs, first + w);
      }
      // By words w + 4 q + i: four rows in quad q.
      vfloat columns[4];
      transpose_quads(v, columns);
      const size_t size = (size_t)(TILE_ROWS - r < 4 ? TILE_ROWS - r : 4) * sizeof(float);
#pragma clang loop unroll(full)
      for (int i = 0; i < 4; i++)
#pragma clang loop unroll(full)
        for (int q = 0; q < LANES / 4; q++)
          __builtin_memcpy(block + (4 * q + i) * TILE_ROWS + r, (const float *)&columns[i] + 4 * q, size);
    }
  }
  for (; w < words; w += 4) {
    const ptrdiff_t count = smaller_count(words - w, 4);
    float *block = to + w * TILE_ROWS;
    for (int r = 0; r < TILE_ROWS; r += 2) {
      const quad a = four_words(rows[r], scales ? scales[r] : NULL, pairs, first + w, depth);
      const quad b = four_words(rows[r + 1], scales ? scales[r + 1] : NULL, pairs, first + w, depth);
      const quad low = __builtin_shufflevector(a, b, 0, 4, 1, 5), high = __builtin_shufflevector(a, b, 2, 6, 3, 7);
      __builtin_memcpy(block + r, &low, 8);
      if (count > 1) __builtin_memcpy(block + TILE_ROWS + r, (const char *)&low + 8, 8);
      if (count > 2) __builtin_memcpy(block + 2 * TILE_ROWS + r, &high, 8);
      if (count > 3) __builtin_memcpy(block + 3 * TILE_ROWS + r, (const char *)&high + 8, 8);
    }
  }
}

// Rows first ..< first + TILE_ROWS of a matrix, the last one again for those past its end.
INLINE void tile_row_pointers(
    const float *from, ptrdiff_t stride, ptrdiff_t first, ptrdiff_t rows, const float *pointers[TILE_ROWS]) {
  for (ptrdiff_t r = 0; r < TILE_ROWS; r++) pointers[r] = from + smaller_count(first + r, rows - 1) * stride;
}

// A whole matrix [rows, depth] in tiles: [row tiles][depth][TILE_ROWS].
INLINE void pack_row_tiles(const float *from, ptrdiff_t stride, ptrdiff_t rows, ptrdiff_t depth, float *to) {
  for (ptrdiff_t first = 0; first < rows; first += TILE_ROWS) {
    const float *pointers[TILE_ROWS];
    tile_row_pointers(from, stride, first, rows, pointers);
    pack_rows(pointers, NULL, false, depth, 0, depth, to + first * depth);
  }
}

static void pack_left(const struct legrad_left_packing *p, ptrdiff_t begin, ptrdiff_t end) {
  const ptrdiff_t tile_count = tiles_of(p->rows, TILE_ROWS), word = p->pairs ? 2 : 1;
  for (ptrdiff_t tile = begin; tile < end; tile++) {
    const float *rows[TILE_ROWS], *scales[TILE_ROWS];
    for (ptrdiff_t r = 0; r < TILE_ROWS; r++) {
      const ptrdiff_t row = p->first_row + smaller_count(tile * TILE_ROWS + r, p->rows - 1);
      const ptrdiff_t tokens = p->stack.tokens;
      const ptrdiff_t source = p->scales.base ? row / (p->stack.prompts * tokens) * tokens + row % tokens : row;
      rows[r] = ROW(p->input, source);
      scales[r] = OPTIONAL_ROW(p->scales, row / tokens);
    }
    for (ptrdiff_t k = 0; k < p->depth; k += p->depth_block) {
      const ptrdiff_t words = (smaller_count(p->depth - k, p->depth_block) + word - 1) / word;
      float *to = p->packed + (k / word * tile_count + tile * words) * TILE_ROWS;
      pack_rows(rows, p->scales.base ? scales : NULL, p->pairs, p->depth, k / word, words, to);
    }
  }
}
