// What the arithmetic units reach at best (Compute/Backend.swift, measurePeak): multiply-adds whose operands never
// leave the registers, BURST_SUMS × LANES × rounds of them in a work-item.

// Sums that run side by side: as many as hide the latency, and as a processor's registers hold.
#if LANES == 16
#define BURST_SUMS 24
#else
#define BURST_SUMS 32
#endif

// With `factor` 1/2, x = x / 2 + 1/2 keeps every sum between its start and 1, far from the slow denormal numbers. It
// comes at run time, and each sum starts elsewhere: the compiler can neither fold nor merge them.
__kernel void peak(__global float *results, const float factor, const uint rounds) {
  const uint item = get_global_id(0);
  const vfloat operand = (vfloat)(factor);
  vfloat sums[BURST_SUMS];
#pragma unroll
  for (uint i = 0; i < BURST_SUMS; i++) sums[i] = (vfloat)((float)(item + i)) * operand;
  for (uint round = 0; round < rounds; round++) {
#pragma unroll
    for (uint i = 0; i < BURST_SUMS; i++) sums[i] = fma(sums[i], operand, operand);
  }
  vfloat total = sums[0];
#pragma unroll
  for (uint i = 1; i < BURST_SUMS; i++) total += sums[i];
  store(results + item * LANES, total);
}
