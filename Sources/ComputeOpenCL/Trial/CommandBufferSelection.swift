import Compute
import Failures
import OpenCLRuntime

/// Finds out by trying whether a device's command buffers are of use: what is recorded has to give the bits of the plain
/// queue, and where nobody asks for it, in no more time.
enum CommandBufferSelection {
  static func choose(
    for device: OpenCLDevice, _ variant: KernelVariant, options: OpenCLBackend.Options
  ) throws(BackendError) -> Bool {
    // Weights that stream are elsewhere in the next batch; profiles and waits are of one kernel.
    guard options.commandBuffers != false, device.hasCommandBuffers, !options.streamsWeights, !options.profiles,
      !options.waitsAfterEveryOperation
    else { return false }
    guard options.triesCommandBuffers else { return true }
    // A processor starts kernels in a microsecond, by itself.
    guard options.commandBuffers == true || device.kind != .cpu else { return false }
    let verdict = try VariantSelection.verdict(on: .recording(variant), of: device, options: options)
    guard case .works(let seconds) = verdict else {
      if options.commandBuffers == true, let problem = KernelTrial(variant, verdict).problem {
        options.notify?("kernels are enqueued one by one: \(device.name): command buffers: \(problem)")
      }
      return false
    }
    return options.commandBuffers == true || seconds <= 0
  }
}

/// A few small operations, given and recorded.
struct RecordingTrial {
  private let backend: OpenCLBackend
  private let input, first, second: Matrix<OpenCLBuffer>
  private let weight: OpenCLWeight

  private static let size = (rows: 13, inner: 67, columns: 41)
  private static let repetitions = 8

  init(
    _ device: OpenCLDevice, _ variant: KernelVariant, _ options: OpenCLBackend.Options
  ) throws(BackendError) {
    var options = options
    options.variant = variant
    options.trial = nil
    options.attentionKernels = .portable
    options.commandBuffers = true
    options.triesCommandBuffers = false
    options.notify = nil
    backend = try OpenCLBackend(device, precision: variant.finestPrecision, options: options)
    let (rows, inner, columns) = Self.size
    input = try backend.makeMatrix(rows: rows, columns: inner)
    first = try backend.makeMatrix(rows: rows, columns: columns)
    second = try backend.makeMatrix(rows: rows, columns: columns)
    weight = try backend.prepare(Self.values(columns * inner, 3).span, rows: columns, columns: inner)
  }

  /// Every kernel comes more than once, with other arguments, and reads what those before it wrote.
  private func operate() throws(BackendError) {
    try backend.fill(Fill(first, with: 0.5))
    try backend.fill(Fill(second, with: 0.25))
    try backend.addRows(AddRows(input: first, addend: second, output: second))
    try backend.matmul(
      Matmul(input: input, weight: weight, output: first, epilogue: .init(activation: .gelu, residual: second)))
    try backend.matmul(Matmul(input: input, weight: weight, output: second, epilogue: .init(residual: first)))
    try backend.addRows(AddRows(input: second, addend: first, output: first))
  }

  /// How many seconds recorded kernels take more than the plain queue; less than zero where they take less.
  func run() throws(BackendError) -> Double {
    try load(0)
    try operate()
    try backend.synchronize()
    guard let recorded = backend.record({ () throws(BackendError) in try operate() }) else {
      throw BackendError(.unsupported, operation: .record, "the driver does not record kernels")
    }
    var (plain, replayed) = (Duration.seconds(1000), Duration.seconds(1000))
    for repetition in 0..<Self.repetitions {
      try load(repetition)
      plain = try min(plain, time { () throws(BackendError) in try operate() })
      let expected = try results()
      try load(repetition)
      try backend.fill(Fill(first, with: 7))
      try backend.fill(Fill(second, with: 7))
      replayed = try min(
        replayed,
        time { () throws(BackendError) in
          guard recorded.run() else {
            throw BackendError(.unsupported, operation: .record, "the driver does not enqueue what it recorded")
          }
        })
      guard try results() == expected else {
        throw BackendError(.unsupported, operation: .record, "recorded kernels compute other numbers")
      }
    }
    return (replayed - plain) / .seconds(1)
  }

  private func time(_ body: () throws(BackendError) -> Void) throws(BackendError) -> Duration {
    try backend.synchronize()
    let start = ContinuousClock.now
    try body()
    try backend.synchronize()
    return ContinuousClock.now - start
  }

  private func load(_ number: Int) throws(BackendError) {
    try backend.upload(Self.values(input.rows * input.columns, number).span, to: input)
  }

  private func results() throws(BackendError) -> [UInt32] {
    var bits: [UInt32] = []
    for matrix in [first, second] {
      var values = [Float](repeating: .nan, count: matrix.rows * matrix.columns)
      var span = values.mutableSpan
      try backend.download(matrix, into: &span)
      bits += values.map(\.bitPattern)
    }
    return bits
  }

  /// Numbers within ±1, others for every number.
  private static func values(_ count: Int, _ number: Int) -> [Float] {
    (0..<count).map { Float((($0 + 31 * number) * 7919 + 104_729) % 2003) / 1001.5 - 1 }
  }
}
