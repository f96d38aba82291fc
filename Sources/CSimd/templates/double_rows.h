// Operations on rows in float64, for relevance propagation. They are a small part beside its products: plain loops, the
// C library's functions, sums in ascending order.

// The loop knows whether there is a value: read under a mask, the address of none stalls processors.
INLINE void relevance_share_with(
    const struct legrad_relevance_share *o, ptrdiff_t begin, ptrdiff_t end, const bool has_value,
    const bool accumulates) {
  for (ptrdiff_t row = begin; row < end; row++) {
    const double *r = ROW(o->relevance, row);
    const double *total = ROW(o->total, row % o->rows);
    const double *value = has_value ? ROW(o->value, row % o->rows) : NULL;
    double *y = ROW(o->output, row);
    for (ptrdiff_t c = 0; c < o->columns; c++) {
      const double divisor = total[c] + 1e-9;
      double x = r[c] / (divisor == 0 ? 1e-9 : divisor);
      x = total[c] == 0 ? 0 : x;
      if (has_value) x *= value[c];
      y[c] = accumulates ? y[c] + x : x;
    }
  }
}

static void relevance_share(const struct legrad_relevance_share *o, ptrdiff_t begin, ptrdiff_t end) {
  if (o->value.base && o->accumulates) relevance_share_with(o, begin, end, true, true);
  else if (o->value.base) relevance_share_with(o, begin, end, true, false);
  else relevance_share_with(o, begin, end, false, o->accumulates);
}

static void double_layer_norm(const struct legrad_double_layer_norm *o, ptrdiff_t begin, ptrdiff_t end) {
  for (ptrdiff_t row = begin; row < end; row++) {
    const double *x = ROW(o->input, row);
    double *y = ROW(o->output, row);
    double sum = 0, squares = 0;
    for (ptrdiff_t c = 0; c < o->columns; c++) sum += x[c];
    const double mean = sum / (double)o->columns;
    for (ptrdiff_t c = 0; c < o->columns; c++) squares += (x[c] - mean) * (x[c] - mean);
    const double inverse = 1 / sqrt(squares / (double)o->columns + o->epsilon);
    for (ptrdiff_t c = 0; c < o->columns; c++) y[c] = (x[c] - mean) * inverse * o->scale[c] + o->shift[c];
    if (o->statistics.base) {
      ROW(o->statistics, row)[0] = mean;
      ROW(o->statistics, row)[1] = inverse;
    }
  }
}

static void double_softmax(const struct legrad_double_softmax *o, ptrdiff_t begin, ptrdiff_t end) {
  for (ptrdiff_t row = begin; row < end; row++) {
    const double *x = ROW(o->input, row);
    double *y = ROW(o->output, row);
    double largest = x[0], sum = 0;
    // A NaN stays the largest.
    for (ptrdiff_t c = 1; c < o->columns; c++) largest = largest < x[c] || x[c] != x[c] ? x[c] : largest;
    for (ptrdiff_t c = 0; c < o->columns; c++) {
      y[c] = exp((x[c] - largest) * o->factor);
      sum += y[c];
    }
    for (ptrdiff_t c = 0; c < o->columns; c++) y[c] /= sum;
  }
}

struct double_activated {
  double value, derivative;
};

// x · g(u) with the gate's derivative g'(u) and the slope u'.
INLINE struct double_activated double_gated(double x, double gate, double gate_derivative, double slope) {
  return (struct double_activated){x * gate, gate + x * gate_derivative * slope};
}

INLINE struct double_activated double_activated(enum legrad_activation activation, double x) {
  switch (activation) {
    case LEGRAD_GELU:
      return double_gated(x, 0.5 * (1 + erf(x * M_SQRT1_2)), exp(-0.5 * x * x), 0.5 * M_2_SQRTPI * M_SQRT1_2);
    case LEGRAD_QUICK_GELU: {
      const double gate = 1 / (1 + exp(-1.702 * x));
      return double_gated(x, gate, gate * (1 - gate), 1.702);
    }
    case LEGRAD_SILU: {
      const double gate = 1 / (1 + exp(-x));
      return double_gated(x, gate, gate * (1 - gate), 1);
    }
    case LEGRAD_GELU_TANH: {
      const double root = M_2_SQRTPI * M_SQRT1_2, t = tanh(root * (x + 0.044715 * x * x * x));
      return double_gated(x, 0.5 * (1 + t), 0.5 * (1 - t * t), root * (1 + 3 * 0.044715 * x * x));
    }
    case LEGRAD_IDENTITY: break;
  }
  return (struct double_activated){x, 1};
}

static void double_activate(const struct legrad_double_activate *o, ptrdiff_t begin, ptrdiff_t end) {
  for (ptrdiff_t row = begin; row < end; row++) {
    const double *x = ROW(o->input, row);
    double *y = ROW(o->output, row);
    double *derivative = OPTIONAL_ROW(o->derivative, row);
    for (ptrdiff_t c = 0; c < o->columns; c++) {
      const struct double_activated a = double_activated(o->activation, x[c]);
      y[c] = a.value;
      if (derivative) derivative[c] = a.derivative;
    }
  }
}

static void double_add_rows(const struct legrad_double_add_rows *o, ptrdiff_t begin, ptrdiff_t end) {
  for (ptrdiff_t row = begin; row < end; row++) {
    const double *x = ROW(o->input, row), *a = ROW(o->addend, row % o->addend_rows);
    double *y = ROW(o->output, row);
    for (ptrdiff_t c = 0; c < o->columns; c++) y[c] = x[c] + a[c];
  }
}
