#include "CImageCodecs.h"

// The same bits on every processor.
#pragma STDC FP_CONTRACT OFF

/// The entry of a table of 256 that a value takes, rounded to the nearest, halves up.
static inline int entry_of(float value) {
  // Written such that NaN comes to 0.
  float clamped = value > 0 ? (value < 1 ? value : 1) : 0;
  float scaled = clamped * 255;
  int whole = (int)scaled;
  // scaled + 0.5 would itself round.
  return whole + (scaled - (float)whole >= 0.5f);
}

static inline float sample(const float *row, legrad_axis axis, size_t x) {
  return row[axis.low[x]] * (1 - axis.weight[x]) + row[axis.high[x]] * axis.weight[x];
}

void legrad_enlarge_row(const float *row, legrad_axis axis, size_t count, float *out) {
  for (size_t x = 0; x < count; x++) {
    out[x] = sample(row, axis, x);
  }
}

void legrad_blend_row(
    const uint8_t *pixels, const float *row, legrad_axis axis, size_t count, float kept, const float *tints,
    uint8_t *out) {
  for (size_t x = 0; x < count; x++) {
    const float *tint = tints + 3 * entry_of(sample(row, axis, x));
    for (int channel = 0; channel < 3; channel++) {
      float mixed = (float)pixels[3 * x + channel] * kept + tint[channel];
      int whole = (int)mixed;
      out[3 * x + channel] = (uint8_t)(whole + (mixed - (float)whole >= 0.5f));
    }
  }
}

void legrad_colour_row(const float *values, size_t count, const uint8_t *table, uint8_t *out) {
  for (size_t x = 0; x < count; x++) {
    const uint8_t *colour = table + 3 * entry_of(values[x]);
    for (int channel = 0; channel < 3; channel++) {
      out[3 * x + channel] = colour[channel];
    }
  }
}
