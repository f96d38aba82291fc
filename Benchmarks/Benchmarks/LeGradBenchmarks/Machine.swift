import Compute
import ComputeCPU

/// What this machine can do. Every benchmark runs in a process of its own and is held against a roof measured there,
/// right before it.
enum Machine {
  /// What weights are stored in: float32, and bfloat16 where the machine multiplies it natively.
  static var precisions: [Precision] { CPUBackend.fastestPrecision == .bf16 ? [.f32, .bf16] : [.f32] }

  static func roof(for work: Work, on backend: CPUBackend) throws -> Double {
    switch work {
    case .arithmetic: try backend.measurePeak()
    case .traffic: MemoryBandwidth.measure(threads: backend.threadCount)
    }
  }
}

extension CPUBackend {
  /// A matrix of normally distributed values: products of zeros run at another speed.
  func random(rows: Int, columns: Int, seed: UInt64 = 1) throws(BackendError) -> Matrix<CPUBuffer> {
    let matrix = try makeMatrix(rows: rows, columns: columns)
    try upload(RandomValues.normal(count: rows * columns, seed: seed).span, to: matrix)
    return matrix
  }

  /// A weight of normally distributed values, scaled so that a product's result has the size of its input.
  func randomWeight(outputs: Int, inputs: Int) throws(BackendError) -> CPUWeight {
    let scale = 1 / Float(inputs).squareRoot()
    let values = RandomValues.normal(count: outputs * inputs, seed: 2).map { scale * $0 }
    return try prepare(values.span, rows: outputs, columns: inputs)
  }
}
