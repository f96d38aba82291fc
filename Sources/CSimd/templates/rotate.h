// Rotary positions: columns turned in pairs, in place.

#if LANES == 4
#define EVEN_LANES 0, 2, 4, 6
#define ODD_LANES 1, 3, 5, 7
#define LOWER_PAIRS 0, 4, 1, 5
#define UPPER_PAIRS 2, 6, 3, 7
#elif LANES == 8
#define EVEN_LANES 0, 2, 4, 6, 8, 10, 12, 14
#define ODD_LANES 1, 3, 5, 7, 9, 11, 13, 15
#define LOWER_PAIRS 0, 8, 1, 9, 2, 10, 3, 11
#define UPPER_PAIRS 4, 12, 5, 13, 6, 14, 7, 15
#else
#define EVEN_LANES 0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30
#define ODD_LANES 1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31
#define LOWER_PAIRS 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23
#define UPPER_PAIRS 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31
#endif

// A head whose column k makes a pair with column `pairs` + k.
INLINE void turn_halves(float *x, const float *cosines, const float *sines, ptrdiff_t pairs, vfloat sign) {
  EACH_IN_ROW(pairs, k, n, {
    const vfloat cosine = load_up_to(cosines + k, n);
    const vfloat sine = load_up_to(sines + k, n) * sign;
    const vfloat a = load_up_to(x + k, n);
    const vfloat b = load_up_to(x + pairs + k, n);
    store_up_to(x + k, a * cosine - b * sine, n);
    store_up_to(x + pairs + k, b * cosine + a * sine, n);
  });
}

// A head whose columns 2k and 2k + 1 make a pair.
INLINE void turn_neighbours(float *x, const float *cosines, const float *sines, ptrdiff_t pairs, vfloat sign) {
  EACH_IN_ROW(pairs, k, n, {
    float *lower = x + 2 * k;
    float *upper = lower + LANES;
    // Of its two vectors of columns the last `n` pairs may fill the first, and leave the second.
    const ptrdiff_t rest = 2 * n - LANES;
    const vfloat low = load_up_to(lower, 2 * n);
    const vfloat high = rest > 0 ? load_up_to(upper, rest) : splat(0);
    const vfloat cosine = load_up_to(cosines + k, n);
    const vfloat sine = load_up_to(sines + k, n) * sign;
    const vfloat a = __builtin_shufflevector(low, high, EVEN_LANES);
    const vfloat b = __builtin_shufflevector(low, high, ODD_LANES);
    const vfloat turned_a = a * cosine - b * sine;
    const vfloat turned_b = b * cosine + a * sine;
    store_up_to(lower, __builtin_shufflevector(turned_a, turned_b, LOWER_PAIRS), 2 * n);
    if (rest > 0) store_up_to(upper, __builtin_shufflevector(turned_a, turned_b, UPPER_PAIRS), rest);
  });
}

static void rotate(const struct legrad_rotate *o, ptrdiff_t begin, ptrdiff_t end) {
  const vfloat sign = splat(o->turns_back ? -1 : 1);
  for (ptrdiff_t row = begin; row < end; row++) {
    const ptrdiff_t place = row % o->tokens - o->leading_rows;
    if (place < 0) continue;
    const float *cosines = ROW(o->cosines, place), *sines = ROW(o->sines, place);
    for (ptrdiff_t head = 0; head < o->heads; head++) {
      float *x = ROW(o->matrix, row) + head * 2 * o->pairs;
      if (o->neighbours) turn_neighbours(x, cosines, sines, o->pairs, sign);
      else turn_halves(x, cosines, sines, o->pairs, sign);
    }
  }
}
