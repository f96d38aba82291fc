// What every kernel shares: matrix arguments, vectors of LANES floats, exp, and the activations.
//
// A program is this file and then one other. LANES is 1 in the portable variant, where a work-item computes one
// element at a time and neighbours read neighbours, and 16 in the cpu variant, where a work-item computes whole
// vectors and there are no barriers. OpenCL C 1.2 without extensions; sums run in a fixed order, through fma alone.
//
// Kernels that are written with `real` are portable ones that are built in double too (FLOAT64 = 1), for relevance
// propagation on devices that have cl_khr_fp64; exp and the activations are the built-in functions there.

#pragma OPENCL FP_CONTRACT OFF

#ifndef LANES
#define LANES 1
#endif

#ifndef FLOAT64
#define FLOAT64 0
#endif
#if FLOAT64
#pragma OPENCL EXTENSION cl_khr_fp64 : enable
typedef double real;
#else
typedef float real;
#endif

// Where a driver of Intel's GPUs is told to compute SUB_GROUP work-items at once.
#ifdef SUB_GROUP
#pragma OPENCL EXTENSION cl_intel_required_subgroup_size : enable
#define SUB_GROUPS __attribute__((intel_reqd_sub_group_size(SUB_GROUP)))
#else
#define SUB_GROUPS
#endif

// A matrix argument: a buffer, its first element, and the elements from one row to the next.
#define INPUT(name) __global const real *name##_buffer, const ulong name##_offset, const uint name##_stride
#define OUTPUT(name) __global real *name##_buffer, const ulong name##_offset, const uint name##_stride
// The address of a row's first element.
#define ROW(name, row) (name##_buffer + name##_offset + (ulong)(row) * name##_stride)

#if LANES == 16
typedef float16 vfloat, vreal;
typedef int16 vint;
typedef uint16 vuint;
#define as_vfloat as_float16
#define as_vint as_int16
#define as_vuint as_uint16
#define load(from) vload16(0, from)
#define store(to, value) vstore16(value, 0, to)
#else
typedef float vfloat;
typedef real vreal;
typedef int vint;
typedef uint vuint;
#define as_vfloat as_float
#define as_vint as_int
#define as_vuint as_uint
#define load(from) (*(from))
#define store(to, value) (*(to) = (value))
#endif

// The first `count` elements, 1 … LANES, and zeros.
static inline vreal load_up_to(__global const real *from, uint count) {
  if (count >= LANES) return load(from);
  real values[LANES];
  for (uint i = 0; i < LANES; i++) values[i] = i < count ? from[i] : 0.0f;
  return load(values);
}

static inline void store_up_to(__global real *to, vreal value, uint count) {
  if (count >= LANES) {
    store(to, value);
    return;
  }
  real values[LANES];
  store(values, value);
  for (uint i = 0; i < count; i++) to[i] = values[i];
}

// Elementwise kernels: a work-item computes SPAN elements of a row. Dimension 0 is the span; dimension 1 is the row, of
// which there may be more than a device takes work-items there.
#ifndef SPAN
#if LANES == 16
#define SPAN 2048
#else
#define SPAN 1
#endif
#endif
#define EACH_ROW(row, rows) for (uint row = get_global_id(1); row < (rows); row += get_global_size(1))

static inline uint span_begin(void) { return (uint)get_global_id(0) * SPAN; }
static inline uint span_end(uint columns) { return min(columns, span_begin() + SPAN); }

#if LANES == 16
// The first `count` lanes, then `rest`, which a sum or a maximum does not notice.
static inline vfloat only_first(vfloat v, uint count, float rest) {
  const vint lanes = (vint)(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
  return select((vfloat)(rest), v, lanes < (vint)((int)count));
}

static inline float sum_of_lanes(vfloat v) {
  const float8 eight = v.lo + v.hi;
  const float4 four = eight.lo + eight.hi;
  const float2 two = four.lo + four.hi;
  return two.x + two.y;
}

static inline float largest_of_lanes(vfloat v) {
  const float8 eight = fmax(v.lo, v.hi);
  const float4 four = fmax(eight.lo, eight.hi);
  const float2 two = fmax(four.lo, four.hi);
  return fmax(two.x, two.y);
}
#else
// The work-items of a group that reduces a row together, a power of two.
#ifndef GROUP
#define GROUP 128
#endif

// The sum of all items' values, the same bits for each item: a tree in `values`, which has GROUP elements.
static inline real sum_of_group(real value, __local real *values) {
  const uint item = get_local_id(0);
  // An earlier result may still be read.
  barrier(CLK_LOCAL_MEM_FENCE);
  values[item] = value;
  barrier(CLK_LOCAL_MEM_FENCE);
  for (uint width = GROUP / 2; width > 0; width /= 2) {
    if (item < width) values[item] += values[item + width];
    barrier(CLK_LOCAL_MEM_FENCE);
  }
  return values[0];
}

static inline real largest_of_group(real value, __local real *values) {
  const uint item = get_local_id(0);
  barrier(CLK_LOCAL_MEM_FENCE);
  values[item] = value;
  barrier(CLK_LOCAL_MEM_FENCE);
  for (uint width = GROUP / 2; width > 0; width /= 2) {
    if (item < width) values[item] = fmax(values[item], values[item + width]);
    barrier(CLK_LOCAL_MEM_FENCE);
  }
  return values[0];
}
#endif

// The row of a forward's matrix that row `row` of a stack of prompts reads (Compute/PromptStack.swift).
static inline uint shared_row(uint row, uint prompts, uint tokens) {
  return row / (prompts * tokens) * tokens + row % tokens;
}

// An activation and its derivative.
typedef struct {
  vreal value;
  vreal derivative;
} activated;

// Which activation, as the launchers number them.
#define IDENTITY 0
#define GELU 1
#define QUICK_GELU 2
#define GELU_TANH 3
#define SILU 4

#if FLOAT64
static inline double exponential(double x) { return exp(x); }

// x · g(u) with the gate's derivative g'(u) and the slope u'(x).
static inline activated gated(double x, double gate, double gate_derivative, double slope) {
  activated result;
  result.value = x * gate;
  result.derivative = fma(x * gate_derivative, slope, gate);
  return result;
}

static inline activated activate_value(uint activation, double x) {
  if (activation == GELU)
    return gated(x, 0.5 * (1.0 + erf(x * M_SQRT1_2)), exp(-0.5 * x * x), 0.5 * M_2_SQRTPI * M_SQRT1_2);
  if (activation == QUICK_GELU) {
    const double gate = 1.0 / (1.0 + exp(-1.702 * x));
    return gated(x, gate, gate * (1.0 - gate), 1.702);
  }
  if (activation == GELU_TANH) {
    const double root = M_2_SQRTPI * M_SQRT1_2, t = tanh(root * (x + 0.044715 * x * x * x));
    return gated(x, 0.5 * (1.0 + t), 0.5 * (1.0 - t * t), root * (1.0 + 3.0 * 0.044715 * x * x));
  }
  if (activation == SILU) {
    const double gate = 1.0 / (1.0 + exp(-x));
    return gated(x, gate, gate * (1.0 - gate), 1.0);
  }
  return gated(x, 1.0, 0.0, 0.0);
}
#else
// e^x = mantissa · 2^exponent, to about one unit in the last place, for −150 ≤ x ≤ 150; NaN stays NaN.
typedef struct {
  vfloat mantissa;
  vint exponent;
} power;

static inline power power_of_e(vfloat x) {
  // Adding 1.5 · 2²³ rounds to an integer that can be read from the low bits.
  const vfloat rounder = (vfloat)(0x1.8p23f);
  const vfloat shifted = fma(x, (vfloat)(0x1.715476p0f), rounder);
  const vfloat whole = shifted - rounder;
  // ln 2 in two parts, the first short enough for an exact product.
  vfloat r = fma(whole, (vfloat)(-0x1.63p-1f), x);
  r = fma(whole, (vfloat)(0x1.bd0106p-13f), r);
  // (e^r − 1 − r) / r², minimax on |r| ≤ ln 2 / 2.
  vfloat p = (vfloat)(0x1.6db414p-10f);
  p = fma(p, r, (vfloat)(0x1.123b4ap-7f));
  p = fma(p, r, (vfloat)(0x1.55545ep-5f));
  p = fma(p, r, (vfloat)(0x1.55548ep-3f));
  p = fma(p, r, (vfloat)(0.5f));
  power result;
  result.mantissa = fma(p, r * r, r) + (vfloat)(1.0f);
  result.exponent = as_vint(shifted) - as_vint(rounder);
  return result;
}

// 2^exponent for −126 … 127.
static inline vfloat power_of_two(vint exponent) { return as_vfloat((exponent + (vint)(127)) << (vint)(23)); }

// e^x: 0 below −104, infinity above 88.72, NaN stays NaN.
static inline vfloat exponential(vfloat x) {
  x = select(x, (vfloat)(89.0f), x > (vfloat)(89.0f));
  x = select(x, (vfloat)(-104.0f), x < (vfloat)(-104.0f));
  const power p = power_of_e(x);
  // In two factors, since −150 … 128 does not fit one.
  const vint half_exponent = p.exponent >> (vint)(1);
  return p.mantissa * power_of_two(half_exponent) * power_of_two(p.exponent - half_exponent);
}

// Activations: value and derivative come from one exponential.

// x Φ(x). The tail Φ(−|x|) is e^(−x²/2) times a polynomial in 1 / (1 + 0.3 |x|), minimax on |x| ≤ 14 with error
// 1.3e-8; from 13 on the exponential stays 2e-37, which is nothing beside 1.
static inline activated gelu(vfloat x) {
  const vfloat magnitude = fabs(x);
  const vfloat t = (vfloat)(1.0f) / fma(magnitude, (vfloat)(0.3f), (vfloat)(1.0f));
  vfloat p = (vfloat)(0x1.28dac8p-5f);
  p = fma(p, t, (vfloat)(-0x1.45ba82p-3f));
  p = fma(p, t, (vfloat)(0x1.aadb0ep-3f));
  p = fma(p, t, (vfloat)(-0x1.bc2c82p-5f));
  p = fma(p, t, (vfloat)(0x1.05bc96p-3f));
  p = fma(p, t, (vfloat)(0x1.9c4366p-4f));
  p = fma(p, t, (vfloat)(0x1.ed7c66p-4f));
  p = fma(p, t, (vfloat)(0x1.ea321ap-4f));
  p = fma(p, t, (vfloat)(-0x1.a4d056p-19f));
  const vfloat clamped = select(magnitude, (vfloat)(13.0f), magnitude > (vfloat)(13.0f));
  const power e = power_of_e(clamped * clamped * (vfloat)(-0.5f));
  const vfloat bell = e.mantissa * power_of_two(e.exponent);
  const vfloat tail = p * bell;
  const vfloat distribution = select((vfloat)(1.0f) - tail, tail, x < (vfloat)(0.0f));
  const vfloat density = bell * (vfloat)(0x1.988454p-2f);
  activated result;
  result.value = x * distribution;
  result.derivative = fma(copysign(clamped, x), density, distribution);
  return result;
}

// x · sigmoid(u) with u = u(x) and its slope u'(x).
static inline activated gated(vfloat x, vfloat clamped, vfloat u, vfloat slope) {
  const vfloat one = (vfloat)(1.0f), e = exponential(-u), gate = one / (one + e);
  // 1 − gate without cancellation, which x u' would magnify.
  const vfloat rest = select(e * gate, one - gate, u < (vfloat)(0.0f));
  activated result;
  result.value = x * gate;
  result.derivative = fma(clamped * slope * rest, gate, gate);
  return result;
}

static inline activated quick_gelu(vfloat x) {
  // Outside ±60 the gate is 0 or 1 to the last bit, and the derivative's products cannot overflow.
  vfloat clamped = select(x, (vfloat)(60.0f), x > (vfloat)(60.0f));
  clamped = select(clamped, (vfloat)(-60.0f), x < (vfloat)(-60.0f));
  return gated(x, clamped, clamped * (vfloat)(1.702f), (vfloat)(1.702f));
}

// With a slope of 1 no product is larger than x, which needs no bounds.
static inline activated silu(vfloat x) { return gated(x, x, x, (vfloat)(1.0f)); }

// (1 + tanh w) / 2 is sigmoid(2 w).
static inline activated gelu_tanh(vfloat x) {
  vfloat clamped = select(x, (vfloat)(15.0f), x > (vfloat)(15.0f));
  clamped = select(clamped, (vfloat)(-15.0f), x < (vfloat)(-15.0f));
  const vfloat square = clamped * clamped;
  const vfloat u = clamped * fma(square, (vfloat)(0.0713548162726f), (vfloat)(1.59576912161f));
  const vfloat slope = fma(square, (vfloat)(0.2140644488178f), (vfloat)(1.59576912161f));
  return gated(x, clamped, u, slope);
}

static inline activated activate_value(uint activation, vfloat x) {
  if (activation == GELU) return gelu(x);
  if (activation == QUICK_GELU) return quick_gelu(x);
  if (activation == GELU_TANH) return gelu_tanh(x);
  if (activation == SILU) return silu(x);
  activated result;
  result.value = x;
  result.derivative = (vfloat)(1.0f);
  return result;
}

#if LANES == 16
// Turns a square in registers: rows[i][k] becomes rows[k][i]. Squares of four are turned first, then change places:
// steps for which processors have shuffles without an index register.
#define EXCHANGE_ROWS(distance, first, second)         \
  _Pragma("unroll") for (uint i = 0; i < 16; i++) {    \
    if (i & distance) continue;                        \
    const float16 x = rows[i], y = rows[i + distance]; \
    rows[i] = (float16)first;                          \
    rows[i + distance] = (float16)second;              \
  }
static inline void turn_square(float16 rows[16]) {
  EXCHANGE_ROWS(
      2, (x.s0, y.s0, x.s1, y.s1, x.s4, y.s4, x.s5, y.s5, x.s8, y.s8, x.s9, y.s9, x.sc, y.sc, x.sd, y.sd),
      (x.s2, y.s2, x.s3, y.s3, x.s6, y.s6, x.s7, y.s7, x.sa, y.sa, x.sb, y.sb, x.se, y.se, x.sf, y.sf))
  EXCHANGE_ROWS(
      1, (x.s0, y.s0, x.s1, y.s1, x.s4, y.s4, x.s5, y.s5, x.s8, y.s8, x.s9, y.s9, x.sc, y.sc, x.sd, y.sd),
      (x.s2, y.s2, x.s3, y.s3, x.s6, y.s6, x.s7, y.s7, x.sa, y.sa, x.sb, y.sb, x.se, y.se, x.sf, y.sf))
  EXCHANGE_ROWS(
      4, (x.s0, x.s1, x.s2, x.s3, x.s8, x.s9, x.sa, x.sb, y.s0, y.s1, y.s2, y.s3, y.s8, y.s9, y.sa, y.sb),
      (x.s4, x.s5, x.s6, x.s7, x.sc, x.sd, x.se, x.sf, y.s4, y.s5, y.s6, y.s7, y.sc, y.sd, y.se, y.sf))
  EXCHANGE_ROWS(
      8, (x.s0, x.s1, x.s2, x.s3, x.s8, x.s9, x.sa, x.sb, y.s0, y.s1, y.s2, y.s3, y.s8, y.s9, y.sa, y.sb),
      (x.s4, x.s5, x.s6, x.s7, x.sc, x.sd, x.se, x.sf, y.s4, y.s5, y.s6, y.s7, y.sc, y.sd, y.se, y.sf))
}
#endif

// What a product does to its sums before it stores them (Compute/Operations/Matmul.swift).
typedef struct {
  __global const float *bias, *residual;
  __global float *output, *derivative, *slopes;
  uint residual_stride, output_stride, derivative_stride, slopes_stride, columns, has_bias, activation, has_derivative;
  uint has_slopes, residual_rows;
} epilogue;

// The epilogue in a kernel's parameters of these names. No residual has 0 rows.
#define EPILOGUE                                                                                                    \
  {                                                                                                                 \
    ROW(bias, 0), ROW(residual, 0), ROW(output, 0), ROW(derivative, 0), ROW(slopes, 0), residual_stride,            \
        output_stride, derivative_stride, slopes_stride, columns, has_bias, activation, has_derivative, has_slopes, \
        residual_rows                                                                                               \
  }

// Elements of one row from `column` on, LANES of them or as many as the row still has.
static inline void finish(const epilogue *e, uint row, uint column, vfloat sum) {
  if (column >= e->columns) return;
  const uint count = e->columns - column;
  vfloat x = sum;
  if (e->has_bias) x += load_up_to(e->bias + column, count);
  if (e->activation != IDENTITY) {
    const activated a = activate_value(e->activation, x);
    x = a.value;
    if (e->has_derivative) store_up_to(e->derivative + (ulong)row * e->derivative_stride + column, a.derivative, count);
    if (e->has_slopes) store_up_to(e->slopes + (ulong)row * e->slopes_stride + column, a.derivative * sum, count);
  }
  if (e->residual_rows)
    x += load_up_to(e->residual + (ulong)(row % e->residual_rows) * e->residual_stride + column, count);
  store_up_to(e->output + (ulong)row * e->output_stride + column, x, count);
}
#endif
