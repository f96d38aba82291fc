import Benchmark

/// What `swift package benchmark` runs; it sorts them by name.
let benchmarks: @Sendable () -> Void = {
  matmulBenchmarks()
  attentionBenchmarks()
  attentionRelevanceBenchmarks()
  layerNormBenchmarks()
  activateBenchmarks()
  softmaxBenchmarks()
  patchifyBenchmarks()
  rowsBenchmarks()
  explainBenchmarks()
}
