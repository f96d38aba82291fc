import Compute
package import OperationSamples

/// A device by rates that were measured on it a moment ago, on sizes that no known model has.
///
/// A product takes a time for each element of its weight that grows with the rows in a straight line, which two probes
/// give, of one row and of many. The weights of a model come from main memory once in a batch, which is a bound of its
/// own; that of a probe may stay in the caches.
package struct MeasuredMachine: Sendable {
  /// Float32 operations per second in registers.
  package let peak: Double
  /// Seconds of a launch; all times of probes include it.
  package let launchSeconds: Double
  package let probes: [RateProbe: RateProbe.Measurement]

  package init(peak: Double, launchSeconds: Double, probes: [RateProbe: RateProbe.Measurement]) {
    self.peak = peak
    self.launchSeconds = launchSeconds
    self.probes = probes
  }

  /// Bytes per second, read and written, of a copy in main memory.
  package var memoryBandwidth: Double { 1 / perByte(.memoryCopy) }
  /// Bytes of weights per second that a product of one row reads of main memory.
  package var weightBandwidth: Double { 1 / perByte(.streamedProduct) }

  /// What operations pass on to each other stays in the caches below that.
  private static var cachedBytes: Int { 16 << 20 }

  func expected(_ work: OperationWork) -> ExpectedTime {
    let launch = ExpectedTime(launchSeconds, .launches)
    switch work.kind {
    case .product(let rows, let columns, let depth) where work.operation == .matmul:
      return .longest(
        launch, product(work, rows: rows, elements: Double(columns) * Double(depth)),
        ExpectedTime(Double(work.weightBytes) / weightBandwidth, .memory))
    case .product: return .longest(launch, ExpectedTime(work.arithmetic / peak, .arithmetic))
    case .attention:
      let probe = work.operation == .attentionRelevance ? RateProbe.relevance : .attention
      return .longest(launch, ExpectedTime(work.arithmetic * (probes[probe]?.perOperation ?? 1 / peak), .arithmetic))
    case .rows, .transfer:
      let probe: RateProbe =
        switch work.operation {
        case .layerNorm: .layerNorm
        case .layerNormBackward: .layerNormBackward
        default: .copy
        }
      let bytes = Double(work.bytes)
      let cached = ExpectedTime(bytes * perByte(probe), .memory)
      guard work.bytes > Self.cachedBytes else { return .longest(launch, cached) }
      return .longest(launch, cached, ExpectedTime(bytes * perByte(.memoryCopy), .memory))
    }
  }

  /// A product that spends less than half of its time with multiply-adds waits for its weight.
  private func product(_ work: OperationWork, rows: Int, elements: Double) -> ExpectedTime {
    guard let one = probes[work.isBackward ? .rowBackwardProduct : .rowProduct], let many = probes[work.probe] else {
      return ExpectedTime(work.arithmetic / peak, .arithmetic)
    }
    let slope = max(0, many.perElement - one.perElement) / Double(many.rows - one.rows)
    let seconds = elements * (one.perElement + slope * Double(rows - one.rows))
    return ExpectedTime(seconds, elements * slope * Double(rows) * 2 < seconds ? .memory : .arithmetic)
  }

  private func perByte(_ probe: RateProbe) -> Double { probes[probe]?.perByte ?? 0 }
}

extension OperationWork {
  /// The product of many rows that is most like this one.
  fileprivate var probe: RateProbe {
    if isBackward { return role == .mlpInput ? .scaledProduct : .backwardProduct }
    switch role {
    case .attentionOutput: return .attentionOutput
    case .mlpInput: return .mlpInput
    case .mlpOutput: return .mlpOutput
    default: return .queriesKeysValues
    }
  }
}
