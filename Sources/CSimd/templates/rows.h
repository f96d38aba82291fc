// Operations on rows: statistics, normalisations and pointwise work. A row's result depends on that row alone.

// Sum over a row of what `term` makes of LANES elements, in four interleaved chains joined in a fixed order.
#define SUM_OVER_ROW(columns, at, count, term)                                \
  ({                                                                          \
    vfloat chains[4] = {splat(0), splat(0), splat(0), splat(0)};              \
    ptrdiff_t at = 0;                                                         \
    for (; at + 4 * LANES <= (columns); at += LANES) {                        \
      const ptrdiff_t count = LANES;                                          \
      chains[0] += (term);                                                    \
      at += LANES;                                                            \
      chains[1] += (term);                                                    \
      at += LANES;                                                            \
      chains[2] += (term);                                                    \
      at += LANES;                                                            \
      chains[3] += (term);                                                    \
    }                                                                         \
    for (; at < (columns); at += LANES) {                                     \
      const ptrdiff_t count = (columns) - at;                                 \
      chains[0] += (term);                                                    \
    }                                                                         \
    sum_of_lanes((chains[0] + chains[1]) + (chains[2] + chains[3]));          \
  })

// `value` for each LANES elements of a row.
#define EACH_IN_ROW(columns, at, count, body)                \
  do {                                                       \
    ptrdiff_t at = 0;                                        \
    for (; at + LANES <= (columns); at += LANES) {           \
      const ptrdiff_t count = LANES;                         \
      body                                                   \
    }                                                        \
    if (at < (columns)) {                                    \
      const ptrdiff_t count = (columns) - at;                \
      body                                                   \
    }                                                        \
  } while (0)

// Zero past `count`, so that a padded lane adds nothing to a sum.
INLINE vfloat only_first(vfloat v, ptrdiff_t count) {
  if (count >= LANES) return v;
  return choose((vint)LANE_NUMBERS < splat_int((int32_t)count), v, splat(0));
}

static void layer_norm(const struct legrad_layer_norm *o, ptrdiff_t begin, ptrdiff_t end) {
  for (ptrdiff_t row = begin; row < end; row++) {
    const float *x = ROW(o->input, row);
    float *y = ROW(o->output, row);
    const float mean = SUM_OVER_ROW(o->columns, c, n, load_up_to(x + c, n)) / (float)o->columns;
    const vfloat means = splat(mean);
    const float variance = SUM_OVER_ROW(o->columns, c, n, ({
                             const vfloat d = only_first(load_up_to(x + c, n) - means, n);
                             d *d;
                           }))
                         / (float)o->columns;
    const float inverse = 1 / sqrtf(variance + o->epsilon);
    const vfloat inverses = splat(inverse);
    EACH_IN_ROW(o->columns, c, n, {
      const vfloat normalized = (load_up_to(x + c, n) - means) * inverses;
      store_up_to(y + c, multiply_add(normalized, load_up_to(o->scale + c, n), load_up_to(o->shift + c, n)), n);
    });
    if (o->statistics.base) {
      ROW(o->statistics, row)[0] = mean;
      ROW(o->statistics, row)[1] = inverse;
    }
  }
}

INLINE ptrdiff_t shared_row(struct legrad_stack s, ptrdiff_t row) {
  return row / (s.prompts * s.tokens) * s.tokens + row % s.tokens;
}

static void layer_norm_backward(const struct legrad_layer_norm_backward *o, ptrdiff_t begin, ptrdiff_t end) {
  for (ptrdiff_t row = begin; row < end; row++) {
    const ptrdiff_t shared = shared_row(o->stack, row);
    const float *g = ROW(o->upstream, o->upstream_per_prompt ? row / o->stack.tokens : row);
    const float *x = ROW(o->input, shared);
    const float *statistics = ROW(o->statistics, shared);
    const float *addend = OPTIONAL_ROW(o->addend, row / o->stack.tokens);
    float *y = ROW(o->output, row);
    const vfloat means = splat(statistics[0]), inverses = splat(statistics[1]);
    const float count = (float)o->columns;
    const float mean = SUM_OVER_ROW(o->columns, c, n, load_up_to(g + c, n) * load_up_to(o->scale + c, n)) / count;
    const float along = SUM_OVER_ROW(
                            o->columns, c, n,
                            load_up_to(g + c, n) * load_up_to(o->scale + c, n)
                                * only_first((load_up_to(x + c, n) - means) * inverses, n))
                      / count;
    const vfloat gradient_means = splat(mean), projections = splat(along), factors = inverses * splat(o->factor);
    EACH_IN_ROW(o->columns, c, n, {
      const vfloat normalized = (load_up_to(x + c, n) - means) * inverses;
      const vfloat scaled = load_up_to(g + c, n) * load_up_to(o->scale + c, n) - gradient_means;
      vfloat result = (scaled - normalized * projections) * factors;
      if (addend) result += load_up_to(addend + c, n);
      store_up_to(y + c, result, n);
    });
  }
}

static void folded_norm_backward(const struct legrad_folded_norm_backward *o, ptrdiff_t begin, ptrdiff_t end) {
  for (ptrdiff_t row = begin; row < end; row++) {
    const ptrdiff_t shared = shared_row(o->stack, row), prompt = row / o->stack.tokens;
    const float *product = ROW(o->product, row), *projected = ROW(o->projected, shared);
    const float *slopes = ROW(o->slopes, shared), *scales = ROW(o->scales, prompt), *addend = ROW(o->addend, prompt);
    float *y = ROW(o->output, row);
    const float along =
        SUM_OVER_ROW(o->hidden, c, n, load_up_to(slopes + c, n) * load_up_to(scales + c, n)) / (float)o->columns;
    const vfloat inverses = splat(ROW(o->statistics, shared)[1]), projections = splat(along);
    EACH_IN_ROW(o->columns, c, n, {
      const vfloat rest = load_up_to(product + c, n) - load_up_to(projected + c, n) * projections;
      store_up_to(y + c, load_up_to(addend + c, n) + rest * inverses, n);
    });
  }
}

INLINE void activate_with(
    const struct legrad_activate *o, ptrdiff_t begin, ptrdiff_t end, enum legrad_activation activation) {
  for (ptrdiff_t row = begin; row < end; row++) {
    const float *x = ROW(o->input, row);
    float *y = ROW(o->output, row);
    float *derivative = OPTIONAL_ROW(o->derivative, row);
    EACH_IN_ROW(o->columns, c, n, {
      const struct activated a = activated(activation, load_up_to(x + c, n));
      store_up_to(y + c, a.value, n);
      if (derivative) store_up_to(derivative + c, a.derivative, n);
    });
  }
}

static void activate(const struct legrad_activate *o, ptrdiff_t begin, ptrdiff_t end) {
  switch (o->activation) {
    case LEGRAD_IDENTITY: activate_with(o, begin, end, LEGRAD_IDENTITY); break;
    case LEGRAD_GELU: activate_with(o, begin, end, LEGRAD_GELU); break;
    case LEGRAD_QUICK_GELU: activate_with(o, begin, end, LEGRAD_QUICK_GELU); break;
    case LEGRAD_GELU_TANH: activate_with(o, begin, end, LEGRAD_GELU_TANH); break;
    case LEGRAD_SILU: activate_with(o, begin, end, LEGRAD_SILU); break;
  }
}

INLINE void gate_with(
    const struct legrad_gate *o, ptrdiff_t begin, ptrdiff_t end, enum legrad_activation activation) {
  for (ptrdiff_t row = begin; row < end; row++) {
    const float *gates = ROW(o->input, row), *values = gates + o->columns;
    float *y = ROW(o->output, row);
    float *derivative = OPTIONAL_ROW(o->derivative, row);
    EACH_IN_ROW(o->columns, c, n, {
      const struct activated a = activated(activation, load_up_to(gates + c, n));
      const vfloat value = load_up_to(values + c, n);
      store_up_to(y + c, a.value * value, n);
      if (derivative) {
        store_up_to(derivative + c, value * a.derivative, n);
        store_up_to(derivative + o->columns + c, a.value, n);
      }
    });
  }
}

static void gate(const struct legrad_gate *o, ptrdiff_t begin, ptrdiff_t end) {
  switch (o->activation) {
    case LEGRAD_IDENTITY: gate_with(o, begin, end, LEGRAD_IDENTITY); break;
    case LEGRAD_GELU: gate_with(o, begin, end, LEGRAD_GELU); break;
    case LEGRAD_QUICK_GELU: gate_with(o, begin, end, LEGRAD_QUICK_GELU); break;
    case LEGRAD_GELU_TANH: gate_with(o, begin, end, LEGRAD_GELU_TANH); break;
    case LEGRAD_SILU: gate_with(o, begin, end, LEGRAD_SILU); break;
  }
}

static void activation_backward(const struct legrad_activation_backward *o, ptrdiff_t begin, ptrdiff_t end) {
  for (ptrdiff_t row = begin; row < end; row++) {
    const float *g = ROW(o->upstream, o->upstream_per_prompt ? row / o->stack.tokens : row);
    const float *derivative = ROW(o->derivative, shared_row(o->stack, row));
    float *y = ROW(o->gradient, row);
    EACH_IN_ROW(o->columns, c, n, { store_up_to(y + c, load_up_to(g + c, n) * load_up_to(derivative + c, n), n); });
  }
}

static void add_rows(const struct legrad_add_rows *o, ptrdiff_t begin, ptrdiff_t end) {
  for (ptrdiff_t row = begin; row < end; row++) {
    const float *x = ROW(o->input, row), *a = ROW(o->addend, row % o->addend_rows);
    float *y = ROW(o->output, row);
    EACH_IN_ROW(o->columns, c, n, { store_up_to(y + c, load_up_to(x + c, n) + load_up_to(a + c, n), n); });
  }
}

static void softmax(const struct legrad_softmax *o, ptrdiff_t begin, ptrdiff_t end) {
  for (ptrdiff_t row = begin; row < end; row++) {
    const float *x = ROW(o->input, row);
    float *y = ROW(o->output, row);
    vfloat largest = splat(x[0]);
    EACH_IN_ROW(o->columns, c, n, {
      const vfloat v = load_up_to(x + c, n);
      largest = larger(n < LANES ? choose((vint)LANE_NUMBERS < splat_int((int32_t)n), v, largest) : v, largest);
    });
    const vfloat top = splat(largest_of_lanes(largest)), factor = splat(o->factor);
    EACH_IN_ROW(o->columns, c, n, { store_up_to(y + c, exponential((load_up_to(x + c, n) - top) * factor), n); });
    const vfloat scale = splat(1 / SUM_OVER_ROW(o->columns, c, n, load_up_to(y + c, n)));
    EACH_IN_ROW(o->columns, c, n, { store_up_to(y + c, load_up_to(y + c, n) * scale, n); });
  }
}

static void softmax_backward(const struct legrad_softmax_backward *o, ptrdiff_t begin, ptrdiff_t end) {
  for (ptrdiff_t row = begin; row < end; row++) {
    const float *g = ROW(o->upstream, row), *y = ROW(o->output, row);
    float *to = ROW(o->gradient, row);
    const vfloat along = splat(SUM_OVER_ROW(o->columns, c, n, load_up_to(g + c, n) * load_up_to(y + c, n)));
    EACH_IN_ROW(o->columns, c, n, {
      store_up_to(to + c, load_up_to(y + c, n) * (load_up_to(g + c, n) - along), n);
    });
  }
}

static void mean_rows(const struct legrad_mean_rows *o, ptrdiff_t begin, ptrdiff_t end) {
  const vfloat count = splat((float)o->rows_per_group);
  for (ptrdiff_t group = begin; group < end; group++) {
    const float *x = ROW(o->input, group * o->rows_per_group);
    float *y = ROW(o->output, group);
    EACH_IN_ROW(o->columns, c, n, {
      vfloat sum = load_up_to(x + c, n);
      for (ptrdiff_t row = 1; row < o->rows_per_group; row++) sum += load_up_to(x + row * o->input.stride + c, n);
      store_up_to(y + c, sum / count, n);
    });
  }
}

static void normalize_rows(const struct legrad_normalize_rows *o, ptrdiff_t begin, ptrdiff_t end) {
  for (ptrdiff_t row = begin; row < end; row++) {
    const float *x = ROW(o->input, row);
    float *y = ROW(o->output, row);
    float norm = sqrtf(SUM_OVER_ROW(o->columns, c, n, load_up_to(x + c, n) * load_up_to(x + c, n)));
    if (norm < 1e-12f) norm = 1e-12f;
    const vfloat divisor = splat(norm);
    EACH_IN_ROW(o->columns, c, n, { store_up_to(y + c, load_up_to(x + c, n) / divisor, n); });
    ROW(o->norms, row)[0] = norm;
  }
}

static void normalize_rows_backward(const struct legrad_normalize_rows_backward *o, ptrdiff_t begin, ptrdiff_t end) {
  for (ptrdiff_t row = begin; row < end; row++) {
    const ptrdiff_t image = row / o->prompts;
    const float *t = ROW(o->directions, row % o->prompts);
    const float *f = ROW(o->normalized, image);
    float *y = ROW(o->gradient, row);
    const vfloat along = splat(SUM_OVER_ROW(o->columns, c, n, load_up_to(t + c, n) * load_up_to(f + c, n)));
    const vfloat norm = splat(ROW(o->norms, image)[0]);
    EACH_IN_ROW(o->columns, c, n, {
      store_up_to(y + c, (load_up_to(t + c, n) - along * load_up_to(f + c, n)) / norm, n);
    });
  }
}
