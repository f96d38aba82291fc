// relevance[r][key] = factor · reading(A, G)[key], A the map's rows of the image r / prompts and G the gradient's rows of
// r, heads added in ascending order: Compute/Operations/KeyRelevance.swift.
//
// A work-item per SPAN keys of a row of relevance. Where heads are weighted by their mean gradient, each work-item takes
// the mean anew: a row is a few thousand numbers.

// The readings, as the launcher numbers them.
#define MAP 0
#define POSITIVE_GRADIENT 1
#define POSITIVE_PRODUCT 2
#define PRODUCT 3
#define WEIGHTED_MAP 4

static inline vfloat positive(vfloat x) { return select(x, (vfloat)(0.0f), x < (vfloat)(0.0f)); }

static inline float mean_gradient(__global const float *gradient, uint leading_keys, uint tokens) {
  float sum = 0.0f;
  for (uint key = leading_keys; key < tokens; key++) sum += gradient[key];
  return sum / (float)(tokens - leading_keys);
}

__kernel void key_relevance(
    INPUT(map), INPUT(gradient), OUTPUT(relevance), const uint reading, const uint heads, const uint prompts,
    const uint leading_keys, const float factor, const uint rows, const uint tokens) {
  const uint end = span_end(tokens);
  EACH_ROW(row, rows) {
    for (uint key = span_begin(); key < end; key += LANES) {
      const uint count = end - key;
      vfloat sum = (vfloat)(0.0f);
      for (uint head = 0; head < heads; head++) {
        __global const float *a = ROW(map, row / prompts * heads + head), *g = ROW(gradient, row * heads + head);
        vfloat term = reading == POSITIVE_GRADIENT ? load_up_to(g + key, count) : load_up_to(a + key, count);
        if (reading == WEIGHTED_MAP) term *= mean_gradient(g, leading_keys, tokens);
        if (reading == PRODUCT || reading == POSITIVE_PRODUCT) term *= load_up_to(g + key, count);
        sum += reading == POSITIVE_GRADIENT || reading == POSITIVE_PRODUCT ? positive(term) : term;
      }
      if (reading == WEIGHTED_MAP) sum = positive(sum);
      store_up_to(ROW(relevance, row) + key, factor * sum, count);
    }
  }
}
