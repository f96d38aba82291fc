// The register tile of every product: TILE_ROWS rows of the left operand by two vectors of the right one.
//
// Left: [depth][TILE_ROWS] words. Right: [depth][vectors * LANES] words. A word is a float; in a product of pairs
// it is two bfloat16, multiplied and added to one float accumulator. An element's sum runs over the depth in
// ascending order, whichever rows and columns stand beside it.

#define TILE_ROWS LEGRAD_TILE_ROWS
#define TILE_COLUMNS (2 * LANES)
#define TILE_SIZE (TILE_ROWS * TILE_COLUMNS)

INLINE ptrdiff_t smaller_count(ptrdiff_t a, ptrdiff_t b) { return a < b ? a : b; }
INLINE ptrdiff_t tiles_of(ptrdiff_t count, ptrdiff_t tile) { return (count + tile - 1) / tile; }

// sum + a.high * b.high, then + a.low * b.low, of the bfloat16 pairs in each word.
INLINE vfloat add_pair_products(vfloat sum, vfloat a, vfloat b) {
#if LEGRAD_MULTIPLIES_PAIRS
  return (vfloat)_mm512_dpbf16_ps((__m512)sum, (__m512bh)a, (__m512bh)b);
#else
  const vword high = splat_word(0xffff0000u);
  sum = multiply_add((vfloat)((vword)a & high), (vfloat)((vword)b & high), sum);
  return multiply_add((vfloat)((vword)a << 16), (vfloat)((vword)b << 16), sum);
#endif
}

enum tile_end {
  // tile = sums
  TILE_SET,
  // tile += sums
  TILE_ADD,
  // one row of the tile += the sum of all rows' positive sums
  TILE_ADD_POSITIVE,
};

// One step of the depth.
INLINE void tile_step(
    const int rows, const int vectors, const bool pairs, const float *left, const float *right,
    vfloat sums[TILE_ROWS][2]) {
  const vfloat b0 = load(right), b1 = vectors > 1 ? load(right + LANES) : b0;
#pragma clang loop unroll(full)
  for (int r = 0; r < rows; r++) {
    const vfloat a = splat(left[r]);
    sums[r][0] = pairs ? add_pair_products(sums[r][0], a, b0) : multiply_add(a, b0, sums[r][0]);
    if (vectors > 1) sums[r][1] = pairs ? add_pair_products(sums[r][1], a, b1) : multiply_add(a, b1, sums[r][1]);
  }
}

#define STEPS 8
// The left operand is fetched this many words ahead, about one tile: it is larger than the second-level cache when
// the depth is large.
#define WORDS_AHEAD 1536

INLINE void tile_body(
    const int rows, const int vectors, const bool pairs, ptrdiff_t depth, const float *left, const float *right,
    float *tile, enum tile_end end) {
  vfloat sums[TILE_ROWS][2];
#pragma clang loop unroll(full)
  for (int r = 0; r < rows; r++) sums[r][0] = sums[r][1] = splat(0);
  for (; depth >= STEPS; depth -= STEPS) {
    for (int i = 0; i < STEPS * TILE_ROWS; i += 16) __builtin_prefetch(left + WORDS_AHEAD + i, 0, 2);
#pragma clang loop unroll(full)
    for (int step = 0; step < STEPS; step++)
      tile_step(rows, vectors, pairs, left + step * TILE_ROWS, right + step * vectors * LANES, sums);
    left += STEPS * TILE_ROWS;
    right += STEPS * vectors * LANES;
  }
  for (; depth > 0; depth--, left += TILE_ROWS, right += vectors * LANES)
    tile_step(rows, vectors, pairs, left, right, sums);
#pragma clang loop unroll(full)
  for (int r = 0; r < rows; r++) {
#pragma clang loop unroll(full)
    for (int v = 0; v < vectors; v++) {
      if (end == TILE_ADD_POSITIVE) {
        float *to = tile + v * LANES;
        store(to, load(to) + choose(sums[r][v] < splat(0), splat(0), sums[r][v]));
      } else {
        float *to = tile + (r * vectors + v) * LANES;
        store(to, end == TILE_ADD ? load(to) + sums[r][v] : sums[r][v]);
      }
    }
  }
}

typedef void tile_function(ptrdiff_t depth, const float *left, const float *right, float *tile, enum tile_end end);

#define TILE(rows)                                                                                          \
  static void tile_single_##rows(ptrdiff_t d, const float *l, const float *r, float *t, enum tile_end e) { \
    tile_body(rows, 1, false, d, l, r, t, e);                                                               \
  }                                                                                                         \
  static void tile_##rows(ptrdiff_t d, const float *l, const float *r, float *t, enum tile_end e) {        \
    tile_body(rows, 2, false, d, l, r, t, e);                                                               \
  }                                                                                                         \
  static void tile_pairs_##rows(ptrdiff_t d, const float *l, const float *r, float *t, enum tile_end e) {  \
    tile_body(rows, 2, true, d, l, r, t, e);                                                                \
  }
TILE(1)
TILE(2)
TILE(3)
TILE(4)
TILE(5)
TILE(6)
#if TILE_ROWS > 6
TILE(7)
TILE(8)
TILE(9)
TILE(10)
TILE(11)
TILE(12)
#define TILE_FUNCTIONS(p) \
  {p##1, p##2, p##3, p##4, p##5, p##6, p##7, p##8, p##9, p##10, p##11, p##12}
#else
#define TILE_FUNCTIONS(p) {p##1, p##2, p##3, p##4, p##5, p##6}
#endif

// By rows − 1.
static tile_function *const single_vector_tiles[TILE_ROWS] = TILE_FUNCTIONS(tile_single_);
static tile_function *const tiles[TILE_ROWS] = TILE_FUNCTIONS(tile_);
static tile_function *const pair_tiles[TILE_ROWS] = TILE_FUNCTIONS(tile_pairs_);
