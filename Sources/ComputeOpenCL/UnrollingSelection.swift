import Compute
import OpenCLRuntime
import Synchronization

/// Finds out by trying how a GPU's compiler wants the loop of the portable product.
enum UnrollingSelection {
  private static let chosen = Mutex<[String: PortableTile.Unrolling]>([:])

  /// Large enough that the largest tiles fill the largest devices.
  private static let size = (rows: 2048, inner: 1024, columns: 2048)
  private static let repetitions = 3

  /// The unrolling for `device`; a device is tried once in a process with the same kernels.
  static func choose(
    for device: OpenCLDevice, options: OpenCLBackend.Options
  ) throws(BackendError) -> PortableTile.Unrolling {
    if let unrolling = options.unrolling { return unrolling }
    // Processors have no registers to save and no pairs to make.
    guard device.kind == .gpu else { return .all }
    let key = options.triedKernels(on: device)
    if let known = chosen.withLock({ $0[key] }) { return known }
    // Where none builds, the backend's own products say why.
    let unrolling =
      VariantSelection.fastest(of: PortableTile.Unrolling.allCases, of: device, options: options) { .unrolling($0) }
      ?? .all
    chosen.withLock { $0[key] = unrolling }
    return unrolling
  }

  /// The least time of a product in this process.
  static func time(
    of unrolling: PortableTile.Unrolling, on device: OpenCLDevice, _ options: OpenCLBackend.Options
  ) throws(BackendError) -> Duration {
    var options = options
    options.variant = .portable
    options.trial = nil
    options.unrolling = unrolling
    options.streamsWeights = false
    options.profiles = false
    options.memoryLimit = nil
    options.commandBuffers = false
    let backend = try OpenCLBackend(device, options: options)
    let (rows, inner, columns) = size
    let input = try backend.makeMatrix(rows: rows, columns: inner)
    try backend.fill(Fill(input, with: 1))
    let ones = [Float](repeating: 1, count: columns * inner)
    let weight = try backend.prepare(ones.span, rows: columns, columns: inner)
    let output = try backend.makeMatrix(rows: rows, columns: columns)
    var best: Duration?
    for _ in 0...repetitions {
      let start = ContinuousClock.now
      try backend.matmul(Matmul(input: input, weight: weight, output: output))
      try backend.synchronize()
      let time = ContinuousClock.now - start
      best = min(best ?? time, time)
    }
    return best ?? .zero
  }
}
