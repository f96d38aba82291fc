import Compute
import Failures
import Glibc
import OpenCLRuntime
import Synchronization

/// Which kernels the matrix variant has for attention and its relevance.
enum AttentionKernels: String, Sendable, CaseIterable {
  case portable, matrix
}

/// Finds out by trying whether attention is right on a device's matrix units, and faster there.
enum AttentionSelection {
  private static let chosen = Mutex<[String: AttentionKernels]>([:])

  /// The kernels for `device`, which is tried once in a process with the same kernels.
  static func choose(
    for device: OpenCLDevice, _ set: MatrixSet, options: OpenCLBackend.Options
  ) throws(BackendError) -> AttentionKernels {
    if let kernels = options.attentionKernels { return kernels }
    // Plain functions are asked for to see what they compute, not how fast.
    guard !set.isPlain else { return .matrix }
    let key = options.triedKernels(on: device)
    if let known = chosen.withLock({ $0[key] }) { return known }
    // Where none is right, the backend's own attention says why.
    let kernels =
      VariantSelection.fastest(of: AttentionKernels.allCases, of: device, options: options) { .attention($0) }
      ?? .portable
    chosen.withLock { $0[key] = kernels }
    return kernels
  }
}

/// Attention and its relevance of the matrix variant: small ones that are compared, larger ones that are timed.
struct AttentionTrial {
  private let kernels: AttentionKernels
  private let device: OpenCLDevice
  private let options: OpenCLBackend.Options

  /// No multiples of a tile, and more tokens than one has, so that edges and what goes on over tiles are compared.
  private static let compared = (tokens: 77, heads: 2, width: 24)
  /// Large enough to fill the largest devices.
  private static let timed = (sequences: 16, tokens: 257, heads: 16, width: 64)
  private static let repetitions = 3
  /// The error allowed as a share of the largest value, of operands in two parts or in float32, and of those that are
  /// rounded to eight bits.
  private static let bound = 1e-4
  private static let boundOfOnePart = 2e-2

  init(_ kernels: AttentionKernels, on device: OpenCLDevice, _ options: OpenCLBackend.Options) {
    self.kernels = kernels
    self.device = device
    var options = options
    options.variant = .matrix
    options.trial = nil
    options.attentionKernels = kernels
    options.streamsWeights = false
    options.profiles = false
    options.memoryLimit = nil
    options.commandBuffers = false
    self.options = options
  }

  /// Throws where attention or its relevance is wrong in any precision.
  func compare() throws(BackendError) {
    for precision in Precision.allCases where KernelVariant.matrix.takes(precision) {
      try compare(on: OpenCLBackend(device, precision: precision, options: options))
    }
  }

  /// The least time of a forward and its relevance in the finest precision; throws where either is wrong in any.
  func run() throws(BackendError) -> Duration {
    try compare()
    let backend = try OpenCLBackend(device, precision: KernelVariant.matrix.finestPrecision, options: options)
    let (sequences, tokens, heads, width) = Self.timed
    let work = try Work(backend, sequences: sequences, tokens: tokens, heads: heads, width: width)
    var best: Duration?
    for _ in 0...Self.repetitions {
      let start = ContinuousClock.now
      try work.run(on: backend)
      try backend.synchronize()
      let time = ContinuousClock.now - start
      best = min(best ?? time, time)
    }
    return best ?? .zero
  }

  /// One matrix in the place of all operands: of its columns, a third are queries, keys and values.
  private struct Work {
    let numbers: [Float]
    let attention: Attention<OpenCLBuffer>
    let relevance: AttentionRelevance<OpenCLBuffer>

    init(
      _ backend: OpenCLBackend, sequences: Int, tokens: Int, heads: Int, width: Int
    ) throws(BackendError) {
      let columns = heads * width
      let fused = try backend.makeMatrix(rows: sequences * tokens, columns: 3 * columns)
      // Numbers within ±2 without a pattern that a wrong index would repeat.
      let numbers = (0..<fused.rows * fused.columns).map { Float(($0 * 7919 + 104_729) % 2003) / 500.75 - 2 }
      try backend.upload(numbers.span, to: fused)
      self.numbers = numbers
      let (queries, keys) = (fused.columns(0..<columns), fused.columns(columns..<2 * columns))
      let values = fused.columns(2 * columns..<3 * columns)
      attention = Attention(
        queries: queries, keys: keys, values: values, heads: heads, tokens: tokens,
        output: try backend.makeMatrix(rows: fused.rows, columns: columns))
      relevance = AttentionRelevance(
        outputGradient: queries, values: values, heads: heads, stack: RowStack(copies: 1, rows: tokens),
        relevance: try backend.makeMatrix(rows: sequences, columns: tokens))
    }

    func run(on backend: OpenCLBackend) throws(BackendError) {
      try backend.attention(attention)
      try backend.attentionRelevance(relevance)
    }
  }

  private func compare(on backend: OpenCLBackend) throws(BackendError) {
    let (tokens, heads, width) = Self.compared
    let work = try Work(backend, sequences: 1, tokens: tokens, heads: heads, width: width)
    try work.run(on: backend)
    let columns = heads * width
    /// Element `column` of part `part` of a token.
    func value(_ part: Int, _ token: Int, _ column: Int) -> Double {
      Double(work.numbers[(token * 3 + part) * columns + column])
    }
    var output = [Double](repeating: 0, count: tokens * columns)
    var relevance = [Double](repeating: 0, count: tokens)
    for head in 0..<heads {
      let own = head * width..<(head + 1) * width
      for query in 0..<tokens {
        var weights = [Double](repeating: 0, count: tokens)
        for key in 0..<tokens {
          var (score, gradient) = (0.0, 0.0)
          for column in own {
            score += value(0, query, column) * value(1, key, column)
            gradient += value(0, query, column) * value(2, key, column)
          }
          weights[key] = exp(score / Double(width).squareRoot())
          relevance[key] += max(0, gradient) / Double(heads * tokens)
        }
        let sum = weights.reduce(0, +)
        for column in own {
          for key in 0..<tokens { output[query * columns + column] += weights[key] / sum * value(2, key, column) }
        }
      }
    }
    try expect(output, in: work.attention.output, .attention, on: backend)
    try expect(relevance, in: work.relevance.relevance, .attentionRelevance, on: backend)
  }

  private func expect(
    _ expected: [Double], in matrix: Matrix<OpenCLBuffer>, _ operation: OperationName, on backend: OpenCLBackend
  ) throws(BackendError) {
    var results = [Float](repeating: .nan, count: expected.count)
    var span = results.mutableSpan
    try backend.download(matrix, into: &span)
    let bound = kernels == .matrix && backend.precision.headParts == 1 ? Self.boundOfOnePart : Self.bound
    let largest = expected.reduce(0) { max($0, abs($1)) }
    for (result, wanted) in zip(results, expected) where !(abs(Double(result) - wanted) <= bound * largest) {
      throw BackendError(
        .unavailable, operation: operation,
        "the \(kernels.rawValue) kernels of attention compute \(result) where it is \(wanted)")
    }
  }
}
