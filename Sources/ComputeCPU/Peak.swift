public import Compute

extension CPUBackend {
  /// The fastest storage of weights that this machine multiplies natively.
  public static var fastestPrecision: Precision {
    availableInstructionSets.contains(.avx512bf16) ? .bf16 : .f32
  }

  /// Squares small enough for the caches, repeated for a quarter of a second in float32 on this backend's threads; the
  /// fastest repetition of all counts.
  public func measurePeak() throws(BackendError) -> Double {
    let backend =
      try precision == .f32
      ? self : CPUBackend(precision: .f32, threads: threadCount, instructionSet: instructionSet)
    let sides = [512, 768, 1024]
    var best = 0.0
    for side in sides {
      let ones = [Float](repeating: 1, count: side * side)
      let weight = try backend.prepare(ones.span, rows: side, columns: side)
      let input = try backend.makeMatrix(rows: side, columns: side)
      let output = try backend.makeMatrix(rows: side, columns: side)
      try backend.fill(Fill(input, with: 1))
      let product = Matmul(input: input, weight: weight, output: output)
      try backend.matmul(product)
      let operations = 2 * Double(side) * Double(side) * Double(side)
      let start = ContinuousClock.now
      var last = start
      while last - start < .milliseconds(250 / sides.count) {
        try backend.matmul(product)
        let now = ContinuousClock.now
        best = max(best, operations / ((now - last) / .seconds(1)))
        last = now
      }
    }
    return best
  }
}
