import Compute

struct BenchmarkResult: Sendable {
  /// Device time of one kernel in all repetitions.
  struct Kernel: Sendable, Equatable {
    let name: String
    let launches: Int
    let nanoseconds: UInt64
  }

  /// What a method takes, where several are compared.
  struct MethodCost: Sendable, Equatable {
    let method: String
    /// Its time by that of the forward alone, in the middle of all repetitions.
    let overForward: Double
    /// Its time by that of its arithmetic at the rate of a block's products.
    let overArithmetic: Double
    /// That rate, in operations per second.
    let productRate: Double

    /// Such as `gradcam: +1.2 % over the forward, 1.10× its arithmetic at the products' 520 GFLOP/s`.
    var line: String {
      let share = 100 * (overForward - 1)
      return "\(method): \(share >= 0 ? "+" : "")\(share.decimal(places: 1)) % over the forward, "
        + "\(overArithmetic.decimal(places: 2))× its arithmetic at the products' "
        + "\((productRate / 1e9).decimal(places: 0)) GFLOP/s"
    }
  }

  let device: String
  let rows: [BenchmarkRow]
  /// What each method costs where there are several.
  let costs: [MethodCost]
  /// What a launch takes at least.
  let launchSeconds: Double
  let launchesPerImage: Double
  /// Times that the host handed kernels to the device.
  let enqueuesPerImage: Double
  let waitsPerImage: Double
  /// The longest first; empty where no times were kept.
  let kernels: [Kernel]
  /// Of each method; empty where none was asked for.
  let predictions: [PredictionReport]

  /// What was added between two moments.
  static func kernels(from before: [String: KernelTime], to after: [String: KernelTime]) -> [Kernel] {
    after.map { name, time in
      Kernel(
        name: name, launches: time.launches - (before[name]?.launches ?? 0),
        nanoseconds: time.nanoseconds - (before[name]?.nanoseconds ?? 0))
    }
    .filter { $0.launches > 0 }
    .sorted { ($1.nanoseconds, $0.name) < ($0.nanoseconds, $1.name) }
  }

  var launchLine: String {
    "\(device): a launch takes \((launchSeconds * 1e6).decimal(places: 2)) µs; per image "
      + "\(launchesPerImage.decimal(places: 1)) launches in \(enqueuesPerImage.decimal(places: 1)) calls and \(waitsPerImage.decimal(places: 1)) waits for the device"
  }

  /// A table of device time, or why there is none.
  var profileLines: [String] {
    guard !kernels.isEmpty else { return ["\(device.printable): no time per kernel; only OpenCL devices keep it"] }
    let total = Double(max(1, kernels.reduce(0) { $0 + $1.nanoseconds }))
    var table = ColumnTable(["kernel", "launches", "ms", "share"])
    for kernel in kernels {
      table.append([
        kernel.name, "\(kernel.launches)", (Double(kernel.nanoseconds) / 1e6).decimal(places: 3),
        (100 * Double(kernel.nanoseconds) / total).decimal(places: 1) + " %",
      ])
    }
    return table.lines(indent: 2)
  }
}
