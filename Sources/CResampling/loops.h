// Included once for each instruction set, with NAME(function) and ATTRIBUTES.

/// Adds products of weights and bytes.
ATTRIBUTES static inline void NAME(add)(lanes *sum, const lanes *weights, const uint8_t *bytes) {
  byte_lanes loaded;
  memcpy(&loaded, bytes, sizeof loaded);
  *sum += *weights * __builtin_convertvector(loaded, lanes);
}

/// One target pixel out of whole blocks. Of 24 bytes every third is of one channel.
ATTRIBUTES static inline void NAME(pixel)(
    const int32_t *weights, size_t block_count, const uint8_t *source, uint8_t *out) {
  lanes sums[3] = {{0}, {0}, {0}};
  for (size_t block = 0; block < block_count; block++) {
    for (int part = 0; part < 3; part++) {
      lanes shares;
      memcpy(&shares, weights + 24 * block + 8 * part, sizeof shares);
      NAME(add)(&sums[part], &shares, source + 24 * block + 8 * part);
    }
  }
  uint32_t all[24];
  memcpy(all, sums, sizeof all);
  for (int c = 0; c < 3; c++) {
    uint32_t sum = half;
    for (int i = c; i < 24; i += 3) {
      sum += all[i];
    }
    out[c] = clamped(sum);
  }
}

ATTRIBUTES static void NAME(along_rows)(
    const legrad_resampling_axis *axis, const uint8_t *rows, size_t row_count, size_t stride, size_t size,
    uint8_t *out) {
  for (size_t y = 0; y < row_count; y++) {
    const uint8_t *row = rows + y * stride;
    size_t rest = size - y * stride;
    int32_t start = 0;
    for (size_t x = 0; x < axis->count; x++) {
      size_t offset = (size_t)axis->lows[x] * 3, blocks = (size_t)(axis->ends[x] - start);
      const int32_t *weights = axis->weights + (size_t)start * 24;
      if (offset + blocks * 24 <= rest) {
        NAME(pixel)(weights, blocks, row + offset, out);
      } else {
        last_pixel(weights, blocks, row + offset, rest - offset, out);
      }
      start = axis->ends[x];
      out += 3;
    }
  }
}

ATTRIBUTES static void NAME(along_columns)(
    const int32_t *weights, size_t tap_count, const uint8_t *rows, size_t width, uint8_t *out) {
  size_t x = 0;
  for (; x + 32 <= width; x += 32) {
    lanes sums[4];
    for (int part = 0; part < 4; part++) {
      sums[part] = (lanes){half, half, half, half, half, half, half, half};
    }
    for (size_t tap = 0; tap < tap_count; tap++) {
      const uint8_t *source = rows + tap * width + x;
      uint32_t weight = (uint32_t)weights[tap];
      lanes shares = {weight, weight, weight, weight, weight, weight, weight, weight};
      for (int part = 0; part < 4; part++) {
        NAME(add)(&sums[part], &shares, source + 8 * part);
      }
    }
    uint32_t all[32];
    memcpy(all, sums, sizeof all);
    for (int i = 0; i < 32; i++) {
      out[x + i] = clamped(all[i]);
    }
  }
  for (; x < width; x++) {
    uint32_t sum = half;
    for (size_t tap = 0; tap < tap_count; tap++) {
      sum += (uint32_t)weights[tap] * rows[tap * width + x];
    }
    out[x] = clamped(sum);
  }
}
