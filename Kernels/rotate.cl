// Turns pairs of a matrix's columns by the angles of a row's place (Compute/Operations/Rotate.swift): pair (a, b)
// becomes (a · cos − b · sin, b · cos + a · sin), with `sign` times the sine.
//
// A work-item per SPAN pairs of a row: one on a GPU, where neighbours turn neighbours, vectors of them, up to a head's
// last, on a processor. OpenCL C has a function `rotate`, so the kernel has another name.

// The columns of pairs that are neighbours: the first of each in `a`, the second in `b`.
#if LANES == 16
static inline void load_pairs(__global const float *from, uint count, vfloat *a, vfloat *b) {
  const uint rest = count > 8 ? 2 * count - 16 : 0;
  const vfloat low = load_up_to(from, 2 * count), high = rest ? load_up_to(from + 16, rest) : (vfloat)(0.0f);
  *a = (vfloat)(low.even, high.even);
  *b = (vfloat)(low.odd, high.odd);
}

static inline void store_pairs(__global float *to, uint count, vfloat a, vfloat b) {
  vfloat low, high;
  low.even = a.lo;
  low.odd = b.lo;
  high.even = a.hi;
  high.odd = b.hi;
  store_up_to(to, low, 2 * count);
  if (count > 8) store_up_to(to + 16, high, 2 * count - 16);
}
#else
#define load_pairs(from, count, a, b) (*(a) = (from)[0], *(b) = (from)[1])
#define store_pairs(to, count, a, b) ((to)[0] = (a), (to)[1] = (b))
#endif

__kernel void rotate_pairs(
    OUTPUT(matrix), INPUT(cosines), INPUT(sines), const uint has_neighbours, const float sign, const uint heads,
    const uint pairs, const uint tokens, const uint leading_rows, const uint rows) {
  const uint begin = span_begin(), end = span_end(heads * pairs);
  EACH_ROW(row, rows) {
    if (row % tokens < leading_rows) continue;
    const uint place = row % tokens - leading_rows;
    for (uint head = begin / pairs; head * pairs < end; head++) {
      __global float *x = ROW(matrix, row) + head * 2 * pairs;
      const uint first = max(begin, head * pairs) - head * pairs, last = min(end - head * pairs, pairs);
      for (uint pair = first; pair < last; pair += LANES) {
        const uint count = last - pair;
        const vfloat cosine = load_up_to(ROW(cosines, place) + pair, count);
        const vfloat sine = load_up_to(ROW(sines, place) + pair, count) * sign;
        vfloat a, b;
        if (has_neighbours) {
          load_pairs(x + 2 * pair, min(count, (uint)LANES), &a, &b);
          const vfloat turned_a = a * cosine - b * sine, turned_b = b * cosine + a * sine;
          store_pairs(x + 2 * pair, min(count, (uint)LANES), turned_a, turned_b);
        } else {
          a = load_up_to(x + pair, count);
          b = load_up_to(x + pairs + pair, count);
          store_up_to(x + pair, a * cosine - b * sine, count);
          store_up_to(x + pairs + pair, b * cosine + a * sine, count);
        }
      }
    }
  }
}
