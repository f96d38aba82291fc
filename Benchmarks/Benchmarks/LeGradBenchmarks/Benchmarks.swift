import Benchmark

/// What `swift package benchmark` runs; it sorts them by name.
let benchmarks: @Sendable () -> Void = {
  operationBenchmarks()
  explainBenchmarks()
}
