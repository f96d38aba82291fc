package import Compute
import Failures

/// A kind of work whose rate says how long an explanation takes, measured on sizes that no known model has.
package enum RateProbe: Sendable, Hashable, CaseIterable {
  /// The four products of a block with what is done to their results.
  case queriesKeysValues, attentionOutput, mlpInput, mlpOutput
  /// By the weight's other side, and with the left operand scaled.
  case backwardProduct, scaledProduct
  /// A product of one row, from both sides of a small weight.
  case rowProduct, rowBackwardProduct
  /// A product of one row with a weight that no cache holds.
  case streamedProduct
  case attention, relevance
  /// On matrices that stay in the caches.
  case layerNorm, layerNormBackward, copy
  /// Of memory that no cache holds.
  case memoryCopy

  /// Sizes and what they took.
  package struct Measurement: Sendable {
    /// Seconds of one run in the mean, as a run's operations take them.
    package let seconds: Double
    /// A product's rows; 0 for others.
    package let rows: Int
    /// A product's weight in elements; 0 for others.
    package let elements: Int
    /// Floating-point operations, and bytes read and written.
    package let arithmetic: Double
    package let bytes: Int

    package init(seconds: Double, rows: Int = 0, elements: Int = 0, arithmetic: Double = 0, bytes: Int = 0) {
      self.seconds = seconds
      self.rows = rows
      self.elements = elements
      self.arithmetic = arithmetic
      self.bytes = bytes
    }
  }

  /// A block between the usual sizes: 193 tokens of 896 columns.
  private static var tokens: Int { 193 }
  private static var width: Int { 896 }
  private static var mlpWidth: Int { 3584 }
  private static var heads: Int { 14 }
  /// A square weight of 64 MiB in float32, and rows of a copy of as much.
  private static var largeSide: Int { 4096 }

  private var product: (rows: Int, outputs: Int, inputs: Int)? {
    let (rows, width, mlp) = (Self.tokens, Self.width, Self.mlpWidth)
    switch self {
    case .queriesKeysValues: return (rows, 3 * width, width)
    case .attentionOutput, .backwardProduct: return (rows, width, width)
    case .mlpInput, .scaledProduct: return (rows, mlp, width)
    case .mlpOutput: return (rows, width, mlp)
    case .rowProduct, .rowBackwardProduct: return (1, width, width)
    case .streamedProduct: return (1, Self.largeSide, Self.largeSide)
    default: return nil
    }
  }

  private var sample: any OperationSample {
    let sizes = AttentionSizes(images: 1, tokens: Self.tokens, heads: Self.heads, width: Self.width)
    let stack = RowStack(copies: 1, rows: Self.tokens)
    if let (rows, outputs, inputs) = product {
      var sample = MatmulSample(label: "probe", rows: rows, outputs: outputs, inputs: inputs)
      switch self {
      case .queriesKeysValues: sample.hasBias = true
      case .attentionOutput, .mlpOutput: (sample.hasBias, sample.residualRows) = (true, rows)
      case .mlpInput: (sample.hasBias, sample.activation) = (true, .gelu)
      case .backwardProduct, .rowBackwardProduct: sample.isBackward = true
      case .scaledProduct: (sample.isBackward, sample.scaledBy) = (true, stack)
      default: break
      }
      return sample
    }
    switch self {
    case .attention: return AttentionSample(sizes: sizes)
    case .relevance: return AttentionRelevanceSample(sizes: sizes)
    case .layerNorm: return LayerNormSample(rows: Self.tokens, width: Self.width, epsilon: 1e-5, scalar: .float32)
    case .layerNormBackward:
      return LayerNormBackwardSample(images: 1, stack: stack, width: Self.width, isBroadcast: false)
    case .memoryCopy: return CopySample(rows: Self.largeSide, columns: Self.largeSide)
    default: return CopySample(rows: Self.tokens, columns: Self.width)
    }
  }

  /// Prepares a probe, and gives what measures it, as often as one likes.
  func prepare<B: Backend>(
    on backend: B, timer: OperationTimer
  ) throws(BackendError) -> () throws(BackendError) -> Measurement {
    try prepare(sample, on: backend, timer: timer)
  }

  private func prepare<B: Backend>(
    _ sample: some OperationSample, on backend: B, timer: OperationTimer
  ) throws(BackendError) -> () throws(BackendError) -> Measurement {
    let bench = SampleBench(backend, for: sample)
    let run = try sample.prepare(on: bench)
    try run()
    let (product, bytes) = (product, bench.bytes)
    return { () throws(BackendError) -> Measurement in
      let seconds = try timer.seconds(of: run, on: backend)
      return Measurement(
        seconds: seconds.reduce(0, +) / Double(max(1, seconds.count)), rows: product?.rows ?? 0,
        elements: (product?.outputs ?? 0) * (product?.inputs ?? 0), arithmetic: sample.arithmetic, bytes: bytes)
    }
  }
}

extension RateProbe.Measurement {
  /// Seconds of one element of a product's weight.
  package var perElement: Double { seconds / Double(max(1, elements)) }
  /// Seconds of a floating-point operation.
  package var perOperation: Double { seconds / max(1, arithmetic) }
  /// Seconds of a byte read or written.
  package var perByte: Double { seconds / Double(max(1, bytes)) }
}

/// All probes on one backend, prepared once.
package struct RateProbes<B: Backend> {
  private let runs: [(RateProbe, () throws(BackendError) -> RateProbe.Measurement)]

  package init(on backend: B) throws(BackendError) {
    let timer = OperationTimer(repetitions: 3, burst: .milliseconds(8))
    var runs: [(RateProbe, () throws(BackendError) -> RateProbe.Measurement)] = []
    for probe in RateProbe.allCases { runs.append((probe, try probe.prepare(on: backend, timer: timer))) }
    self.runs = runs
  }

  package func measure() throws(BackendError) -> [RateProbe: RateProbe.Measurement] {
    var measured: [RateProbe: RateProbe.Measurement] = [:]
    for (probe, run) in runs { measured[probe] = try run() }
    return measured
  }
}
