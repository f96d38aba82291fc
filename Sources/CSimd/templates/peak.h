// What the arithmetic units reach at best: multiply-adds whose operands never leave the registers.

// Sums that run side by side: as many as the registers hold beside the factor and the addend, which is more than
// units times latency of any processor at hand.
#if LANES == 16 || defined(__aarch64__)
#define BURST_SUMS 24
#else
#define BURST_SUMS 14
#endif

static ptrdiff_t multiply_add_burst(ptrdiff_t rounds, float *value) {
  // Read at run time, and a start of its own for each sum: the compiler can neither fold nor merge them. With
  // x = x / 2 + 1/2 every sum stays between its start and 1, far from the slow denormal numbers.
  const vfloat factor = splat(*value), addend = factor;
  vfloat sums[BURST_SUMS];
#pragma clang loop unroll(full)
  for (int i = 0; i < BURST_SUMS; i++) sums[i] = splat((float)i) * factor;
  for (ptrdiff_t round = 0; round < rounds; round++) {
#pragma clang loop unroll(full)
    for (int i = 0; i < BURST_SUMS; i++) sums[i] = multiply_add(sums[i], factor, addend);
  }
  vfloat total = sums[0];
#pragma clang loop unroll(full)
  for (int i = 1; i < BURST_SUMS; i++) total = total + sums[i];
  *value = sum_of_lanes(total);
  return rounds * BURST_SUMS * LANES * 2;
}
