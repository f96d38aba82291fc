// Products in float64. The left operand is packed in tiles of rows; a panel of two vectors of columns is packed once
// and meets all tiles. What counts of an operand's values is decided while packing.

#define DOUBLE_LANES (LANES / 2)
#define DOUBLE_COLUMNS (2 * DOUBLE_LANES)

typedef double vdouble __attribute__((vector_size(8 * DOUBLE_LANES)));
typedef int64_t vlong __attribute__((vector_size(8 * DOUBLE_LANES)));

INLINE vdouble load_doubles(const double *from) {
  vdouble v;
  __builtin_memcpy(&v, from, sizeof v);
  return v;
}
INLINE void store_doubles(double *to, vdouble v) { __builtin_memcpy(to, &v, sizeof v); }
INLINE vdouble splat_double(double x) { return x - (vdouble){}; }

INLINE vdouble choose_doubles(vlong mask, vdouble a, vdouble b) {
  return (vdouble)((mask & (vlong)a) | (~mask & (vlong)b));
}

INLINE vdouble multiply_add_doubles(double a, vdouble b, vdouble c) {
#if LEGRAD_FMA
  return __builtin_elementwise_fma(splat_double(a), b, c);
#else
  return a * b + c;
#endif
}

// What counts lies between these; NaN stays.
INLINE double part_of(double x, double low, double high) {
  x = x < low ? low : x;
  return x > high ? high : x;
}
INLINE vdouble parts_of(vdouble x, vdouble low, vdouble high) {
  x = choose_doubles(x < low, low, x);
  return choose_doubles(x > high, high, x);
}
INLINE double low_of(struct legrad_operand o) { return o.part == LEGRAD_POSITIVE ? 0 : -(double)INFINITY; }
INLINE double high_of(struct legrad_operand o) { return o.part == LEGRAD_NEGATIVE ? 0 : (double)INFINITY; }

// to[k * step + i] = element (first + i) of line k for `count` ≤ `step` elements, zeros after them.
INLINE void pack_lines(
    struct legrad_operand from, ptrdiff_t element_step, ptrdiff_t line_step, ptrdiff_t first, ptrdiff_t count,
    ptrdiff_t lines, ptrdiff_t step, double *to) {
  const double low = low_of(from), high = high_of(from);
  const double *values = from.values + first * element_step;
  if (count < step) __builtin_memset(to, 0, (size_t)(lines * step) * sizeof(double));
  for (ptrdiff_t k = 0; k < lines; k++)
    for (ptrdiff_t i = 0; i < count; i++)
      to[k * step + i] = part_of(values[i * element_step + k * line_step], low, high);
}

static void part_product_pack(const struct legrad_part_product *o, ptrdiff_t begin, ptrdiff_t end) {
  for (ptrdiff_t tile = begin; tile < end; tile++)
    pack_lines(
        o->left, o->left.row_step, o->left.column_step, o->first_row + tile * TILE_ROWS,
        smaller_count(o->rows - tile * TILE_ROWS, TILE_ROWS), o->inner, TILE_ROWS,
        o->packed + tile * o->inner * TILE_ROWS);
}

// Where row `row` of the scale begins, at column `first`; null where there is none.
INLINE const double *scale_of(const struct legrad_part_product *o, ptrdiff_t row, ptrdiff_t first) {
  return o->scale.values ? o->scale.values + row % o->scale_rows * o->scale.row_step + first : NULL;
}

// Sums of one row, as many of the columns as the output still has.
INLINE void finish_doubles(
    const struct legrad_part_product *o, ptrdiff_t row, ptrdiff_t first, const vdouble sums[2]) {
  double *to = ROW(o->output, row) + first;
  const double *scale = scale_of(o, row, first), *bias = o->bias ? o->bias + first : NULL;
  const double low = low_of(o->scale), high = high_of(o->scale);
  const ptrdiff_t count = o->columns - first;
  for (int v = 0; v < 2; v++) {
    const ptrdiff_t at = v * DOUBLE_LANES;
    vdouble x = sums[v] * splat_double(o->factor);
    if (at + DOUBLE_LANES <= count) {
      if (scale) x *= parts_of(load_doubles(scale + at), splat_double(low), splat_double(high));
      if (bias) x += load_doubles(bias + at);
      if (o->accumulates) x += load_doubles(to + at);
      store_doubles(to + at, x);
      continue;
    }
    for (ptrdiff_t c = at; c < count; c++) {
      double y = x[c - at];
      if (scale) y *= part_of(scale[c], low, high);
      if (bias) y += bias[c];
      to[c] = o->accumulates ? to[c] + y : y;
    }
  }
}

// `rows` rows of the output from `row` on; `left` is their first element in a packed tile.
INLINE void double_tile(
    const int rows, const struct legrad_part_product *o, const double *left, ptrdiff_t row, ptrdiff_t first,
    const double *panel) {
  vdouble sums[TILE_ROWS][2] = {};
  // What the sums meet at the end lies in rows far from each other.
  for (int r = 0; r < rows; r++) {
    const double *to = ROW(o->output, row + r) + first, *scale = scale_of(o, row + r, first);
    for (ptrdiff_t c = 0; c < DOUBLE_COLUMNS; c += 8) {
      __builtin_prefetch(to + c, 1);
      if (scale) __builtin_prefetch(scale + c);
    }
  }
  for (ptrdiff_t k = 0; k < o->inner; k++, left += TILE_ROWS, panel += DOUBLE_COLUMNS) {
    const vdouble b0 = load_doubles(panel), b1 = load_doubles(panel + DOUBLE_LANES);
#pragma clang loop unroll(full)
    for (int r = 0; r < rows; r++) {
      sums[r][0] = multiply_add_doubles(left[r], b0, sums[r][0]);
      sums[r][1] = multiply_add_doubles(left[r], b1, sums[r][1]);
    }
  }
#pragma clang loop unroll(full)
  for (int r = 0; r < rows; r++) finish_doubles(o, row + r, first, sums[r]);
}

static void part_product(
    const struct legrad_part_product *o, ptrdiff_t tile_begin, ptrdiff_t tile_end, ptrdiff_t panel_begin,
    ptrdiff_t panel_end, float *scratch) {
  double *const panel = (double *)scratch;
  for (ptrdiff_t item = panel_begin; item < panel_end; item++) {
    const ptrdiff_t first = item * DOUBLE_COLUMNS;
    pack_lines(
        o->right, o->right.column_step, o->right.row_step, first, smaller_count(o->columns - first, DOUBLE_COLUMNS),
        o->inner, DOUBLE_COLUMNS, panel);
    for (ptrdiff_t tile = tile_begin; tile < tile_end; tile++) {
      const double *left = o->packed + tile * o->inner * TILE_ROWS;
      const ptrdiff_t row = tile * TILE_ROWS, rows = smaller_count(o->rows - row, TILE_ROWS);
      if (rows == TILE_ROWS) {
        double_tile(TILE_ROWS, o, left, o->first_row + row, first, panel);
      } else {
        for (ptrdiff_t r = 0; r < rows; r++) double_tile(1, o, left + r, o->first_row + row + r, first, panel);
      }
    }
  }
}
