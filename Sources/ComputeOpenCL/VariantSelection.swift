public import Compute
import Failures
public import OpenCLRuntime
import Synchronization

extension KernelVariant {
  /// The variants that can be of use on a device. Those for processors compute in vectors of 16 floats; where the
  /// driver makes vectors of work-items instead they waste most of each, and take minutes to build (rusticl).
  public static func candidates(for device: OpenCLDevice) -> [KernelVariant] {
    device.vectorWidth > 1 ? allCases : [.portable]
  }
}

/// Finds a device's kernels by trying them, never by its name: a variant that does not build, or that computes a known
/// product wrongly, is out; of the others the faster one is taken.
enum VariantSelection {
  private static let chosen = Mutex<[String: KernelVariant]>([:])

  /// The variant for `device` with the kernels that `options` name; a device is tried once in a process with the same
  /// ones.
  static func choose(
    for device: OpenCLDevice, options: OpenCLBackend.Options
  ) throws(BackendError) -> KernelVariant {
    let key = "\(device.platform) \(device.name) \(device.driver) \(options.kernelFolder ?? "")"
    if let known = chosen.withLock({ $0[key] }) { return known }
    let variant = try best(for: device, options: options)
    chosen.withLock { $0[key] = variant }
    return variant
  }

  /// The variant that was found best just now.
  static func best(
    for device: OpenCLDevice, options: OpenCLBackend.Options
  ) throws(BackendError) -> KernelVariant {
    var best: (variant: KernelVariant, time: Duration)?
    var failures: [String] = []
    for variant in KernelVariant.candidates(for: device) {
      do {
        let time = try Trial(device, variant, options).run()
        if best.map({ time < $0.time }) ?? true { best = (variant, time) }
      } catch {
        // Memory says nothing about a variant.
        if error.code == .outOfMemory { throw error }
        failures.append("\(variant.rawValue): \(error.reason)")
      }
    }
    guard let best else {
      throw BackendError(
        .unavailable, operation: .openCLBackend,
        "no kernels compute right on \(device.name) (\(failures.joined(separator: "; "))); use \(Subject.device) cpu")
    }
    return best.variant
  }
}

/// Products on one variant: a small one that is compared, a larger one that is timed.
private struct Trial {
  private let backend: OpenCLBackend
  private let variant: KernelVariant

  /// No multiples of a tile, so that edges are compared too.
  private static let compared = (rows: 13, inner: 67, columns: 41)
  private static let timed = (rows: 256, inner: 512, columns: 512)
  private static let repetitions = 3
  /// The error allowed as a share of the largest sum; float32 in any order stays far below.
  private static let bound = 1e-4

  init(_ device: OpenCLDevice, _ variant: KernelVariant, _ options: OpenCLBackend.Options) throws(BackendError) {
    var options = options
    options.variant = variant
    options.streamsWeights = false
    options.profiles = false
    backend = try OpenCLBackend(device, options: options)
    self.variant = variant
  }

  /// The least time of the timed product.
  func run() throws(BackendError) -> Duration {
    try compare()
    let (rows, inner, columns) = Self.timed
    let input = try matrix(rows, inner)
    let weight = try backend.prepare(values(columns * inner).span, rows: columns, columns: inner)
    let output = try backend.makeMatrix(rows: rows, columns: columns)
    var best: Duration?
    for _ in 0...Self.repetitions {
      let start = ContinuousClock.now
      try backend.matmul(Matmul(input: input, weight: weight, output: output))
      try backend.synchronize()
      let time = ContinuousClock.now - start
      best = min(best ?? time, time)
    }
    return best ?? .zero
  }

  private func compare() throws(BackendError) {
    let (rows, inner, columns) = Self.compared
    let left = values(rows * inner)
    let right = values(columns * inner)
    let input = try matrix(rows, inner)
    let weight = try backend.prepare(right.span, rows: columns, columns: inner)
    let output = try backend.makeMatrix(rows: rows, columns: columns)
    try backend.matmul(Matmul(input: input, weight: weight, output: output))
    var results = [Float](repeating: .nan, count: rows * columns)
    var span = results.mutableSpan
    try backend.download(output, into: &span)
    for row in 0..<rows {
      for column in 0..<columns {
        var sum = 0.0
        for k in 0..<inner { sum += Double(left[row * inner + k]) * Double(right[column * inner + k]) }
        let difference = abs(Double(results[row * columns + column]) - sum)
        guard difference <= Self.bound * Double(inner) else {
          throw BackendError(
            .unavailable, operation: .matmul,
            "the \(variant.rawValue) kernels compute \(results[row * columns + column]) where it is \(sum)")
        }
      }
    }
  }

  private func matrix(_ rows: Int, _ columns: Int) throws(BackendError) -> Matrix<OpenCLBuffer> {
    let matrix = try backend.makeMatrix(rows: rows, columns: columns)
    try backend.upload(values(rows * columns).span, to: matrix)
    return matrix
  }

  /// Numbers within ±1 without a pattern that a wrong index would repeat.
  private func values(_ count: Int) -> [Float] {
    (0..<count).map { Float(($0 * 7919 + 104_729) % 2003) / 1001.5 - 1 }
  }
}
