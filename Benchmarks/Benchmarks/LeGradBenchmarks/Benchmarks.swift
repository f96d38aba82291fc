import Benchmark

/// What `swift package benchmark` runs, in the order of the files.
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
