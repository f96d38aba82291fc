// Multiply-adds that never leave the registers: what a device reaches at best in float32 (Compute/Backend.swift,
// measurePeak).
//
// Each work-item runs CHAINS independent chains of fma on vectors of `vfloat`, `rounds` times. The sums converge to 1
// whatever the rounds, and are stored so that no compiler leaves the work out.

#ifndef CHAINS
#define CHAINS 16
#endif

__kernel void peak(__global float *results, const uint rounds) {
  vfloat sums[CHAINS];
#pragma unroll
  for (uint i = 0; i < CHAINS; i++) sums[i] = (vfloat)((float)(get_global_id(0) % 7 + i));
  const vfloat half_of = (vfloat)(0.5f);
  for (uint round = 0; round < rounds; round++)
#pragma unroll
    for (uint i = 0; i < CHAINS; i++) sums[i] = fma(sums[i], half_of, half_of);
  vfloat total = (vfloat)(0.0f);
#pragma unroll
  for (uint i = 0; i < CHAINS; i++) total += sums[i];
#if LANES == 16
  results[get_global_id(0)] = total.s0 + total.sf;
#else
  results[get_global_id(0)] = total;
#endif
}
