// exp, and the activations with their derivatives, on vectors.

// e^x = mantissa · 2^exponent, to about one unit in the last place, for −150 ≤ x ≤ 150; NaN stays NaN.
struct power {
  vfloat mantissa;
  vint exponent;
};

INLINE struct power power_of_e(vfloat x) {
  // Adding 1.5 · 2²³ rounds to an integer that can be read from the low bits.
  const vfloat rounder = splat(0x1.8p23f);
  const vfloat shifted = multiply_add(x, splat(0x1.715476p0f), rounder);
  const vfloat whole = shifted - rounder;
  // ln 2 in two parts, the first short enough for an exact product.
  vfloat r = multiply_add(whole, splat(-0x1.63p-1f), x);
  r = multiply_add(whole, splat(0x1.bd0106p-13f), r);
  // (e^r − 1 − r) / r², minimax on |r| ≤ ln 2 / 2.
  vfloat p = splat(0x1.6db414p-10f);
  p = multiply_add(p, r, splat(0x1.123b4ap-7f));
  p = multiply_add(p, r, splat(0x1.55545ep-5f));
  p = multiply_add(p, r, splat(0x1.55548ep-3f));
  p = multiply_add(p, r, splat(0.5f));
  return (struct power){multiply_add(p, r * r, r) + splat(1), (vint)shifted - (vint)rounder};
}

// 2^exponent for −126 … 127.
INLINE vfloat power_of_two(vint exponent) { return (vfloat)((vword)(exponent + splat_int(127)) << 23); }

// e^x: 0 below −104, infinity above 88.72, NaN stays NaN.
INLINE vfloat exponential(vfloat x) {
  x = choose(x > splat(89), splat(89), x);
  x = choose(x < splat(-104), splat(-104), x);
  const struct power p = power_of_e(x);
  // In two factors, since −150 … 128 does not fit one.
  const vint half = p.exponent >> 1;
  return p.mantissa * power_of_two(half) * power_of_two(p.exponent - half);
}

struct activated {
  vfloat value;
  vfloat derivative;
};

// x Φ(x). The tail Φ(−|x|) is e^(−x²/2) times a polynomial in 1 / (1 + 0.3 |x|), minimax on |x| ≤ 14 with error
// 1.3e-8; from 13 on the exponential stays 2e-37, which is nothing beside 1.
INLINE struct activated gelu(vfloat x) {
  const vfloat magnitude = choose(x < splat(0), -x, x);
  const vfloat t = splat(1) / multiply_add(magnitude, splat(0.3f), splat(1));
  vfloat p = splat(0x1.28dac8p-5f);
  p = multiply_add(p, t, splat(-0x1.45ba82p-3f));
  p = multiply_add(p, t, splat(0x1.aadb0ep-3f));
  p = multiply_add(p, t, splat(-0x1.bc2c82p-5f));
  p = multiply_add(p, t, splat(0x1.05bc96p-3f));
  p = multiply_add(p, t, splat(0x1.9c4366p-4f));
  p = multiply_add(p, t, splat(0x1.ed7c66p-4f));
  p = multiply_add(p, t, splat(0x1.ea321ap-4f));
  p = multiply_add(p, t, splat(-0x1.a4d056p-19f));
  const vfloat clamped = choose(magnitude > splat(13), splat(13), magnitude);
  const struct power e = power_of_e(clamped * clamped * splat(-0.5f));
  const vfloat bell = e.mantissa * power_of_two(e.exponent);
  const vfloat tail = p * bell;
  const vfloat distribution = choose(x < splat(0), tail, splat(1) - tail);
  const vfloat density = bell * splat(0x1.988454p-2f);
  return (struct activated){x * distribution, multiply_add(choose(x < splat(0), -clamped, clamped), density, distribution)};
}

// x · sigmoid(u) with u = u(x) and its slope u'(x).
INLINE struct activated gated(vfloat x, vfloat clamped, vfloat u, vfloat slope) {
  const vfloat e = exponential(-u), gate = splat(1) / (splat(1) + e);
  // 1 − gate without cancellation, which x u' would magnify.
  const vfloat rest = choose(u < splat(0), splat(1) - gate, e * gate);
  return (struct activated){x * gate, multiply_add(clamped * slope * rest, gate, gate)};
}

INLINE struct activated quick_gelu(vfloat x) {
  // Outside ±60 the gate is 0 or 1 to the last bit, and the derivative's products cannot overflow.
  vfloat clamped = choose(x > splat(60), splat(60), x);
  clamped = choose(x < splat(-60), splat(-60), clamped);
  return gated(x, clamped, clamped * splat(1.702f), splat(1.702f));
}

// With a slope of 1 no product is larger than x, which needs no bounds.
INLINE struct activated silu(vfloat x) { return gated(x, x, x, splat(1)); }

// (1 + tanh w) / 2 is sigmoid(2 w).
INLINE struct activated gelu_tanh(vfloat x) {
  vfloat clamped = choose(x > splat(15), splat(15), x);
  clamped = choose(x < splat(-15), splat(-15), clamped);
  const vfloat square = clamped * clamped;
  const vfloat u = clamped * multiply_add(square, splat(0.0713548162726f), splat(1.59576912161f));
  const vfloat slope = multiply_add(square, splat(0.2140644488178f), splat(1.59576912161f));
  return gated(x, clamped, u, slope);
}

INLINE struct activated activated(enum legrad_activation activation, vfloat x) {
  switch (activation) {
    case LEGRAD_GELU: return gelu(x);
    case LEGRAD_QUICK_GELU: return quick_gelu(x);
    case LEGRAD_GELU_TANH: return gelu_tanh(x);
    case LEGRAD_SILU: return silu(x);
    case LEGRAD_IDENTITY: break;
  }
  return (struct activated){x, splat(1)};
}
