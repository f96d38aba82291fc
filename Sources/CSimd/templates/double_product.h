// Products in float64: a panel of two vectors of columns is packed once and meets all rows, a few at a time.

#define DOUBLE_LANES (LANES / 2)
#define DOUBLE_COLUMNS (2 * DOUBLE_LANES)
#define DOUBLE_ROWS (TILE_ROWS / 2)

typedef double vdouble __attribute__((vector_size(8 * DOUBLE_LANES)));

INLINE vdouble load_doubles(const double *from) {
  vdouble v;
  __builtin_memcpy(&v, from, sizeof v);
  return v;
}

INLINE vdouble multiply_add_doubles(double a, vdouble b, vdouble c) {
#if LEGRAD_FMA
  return __builtin_elementwise_fma(a - (vdouble){}, b, c);
#else
  return a * b + c;
#endif
}

// to[k][column], zeros past the matrix.
INLINE void pack_double_panel(const struct legrad_double_product *o, ptrdiff_t first, double *to) {
  const ptrdiff_t count = smaller_count(o->columns - first, DOUBLE_COLUMNS);
  for (ptrdiff_t k = 0; k < o->inner; k++, to += DOUBLE_COLUMNS)
    for (ptrdiff_t c = 0; c < DOUBLE_COLUMNS; c++) {
      const ptrdiff_t column = first + c;
      to[c] = c >= count ? 0 : o->right[o->right_is_transposed ? column * o->inner + k : k * o->columns + column];
    }
}

INLINE void double_tile(
    const int rows, const struct legrad_double_product *o, ptrdiff_t row, ptrdiff_t first, const double *panel) {
  vdouble sums[DOUBLE_ROWS][2] = {};
  const double *left = o->left + row * o->inner;
  for (ptrdiff_t k = 0; k < o->inner; k++, panel += DOUBLE_COLUMNS) {
    const vdouble b0 = load_doubles(panel), b1 = load_doubles(panel + DOUBLE_LANES);
#pragma clang loop unroll(full)
    for (int r = 0; r < rows; r++) {
      const double a = left[r * o->inner + k];
      sums[r][0] = multiply_add_doubles(a, b0, sums[r][0]);
      sums[r][1] = multiply_add_doubles(a, b1, sums[r][1]);
    }
  }
  const size_t bytes = (size_t)smaller_count(o->columns - first, DOUBLE_COLUMNS) * sizeof(double);
  for (int r = 0; r < rows; r++) __builtin_memcpy(o->output + (row + r) * o->columns + first, sums[r], bytes);
}

// Items: panels of DOUBLE_COLUMNS columns.
static void double_product(const struct legrad_double_product *o, ptrdiff_t begin, ptrdiff_t end, float *scratch) {
  double *const panel = (double *)scratch;
  for (ptrdiff_t item = begin; item < end; item++) {
    const ptrdiff_t first = item * DOUBLE_COLUMNS;
    pack_double_panel(o, first, panel);
    ptrdiff_t row = 0;
    for (; row + DOUBLE_ROWS <= o->rows; row += DOUBLE_ROWS) double_tile(DOUBLE_ROWS, o, row, first, panel);
    for (; row < o->rows; row++) double_tile(1, o, row, first, panel);
  }
}
