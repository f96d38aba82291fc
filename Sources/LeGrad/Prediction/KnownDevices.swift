import Failures

/// Devices that were described, by the data sheets of their makers and by what compilers say of the kernels.
///
/// The loops' figures are static: registers, local memory and the instruction mix of the portable kernels as clang 19 and
/// ptxas 13.5 compile them for sm_90, clang 19 for gfx942, and IGC 1.0.12504 for dg2; residency follows from registers
/// and local memory. Nothing of it was measured on such a device: expect 30 % of the H200, more of the others.
extension PredictedDevice {
  package static let known: [PredictedDevice] = [h200, mi300x, arcA770]

  /// The device of that name, in letters of either case; for any other text an error with all names.
  package init(named name: String) throws(LeGradError) {
    guard let device = Self.known.first(where: { $0.name == name.lowercased() }) else {
      let names = Self.known.map(\.name).joined(separator: ", ")
      throw LeGradError(.usage, "no device '\(name)' is described; those are \(names), and this for the one in use")
    }
    self = device
  }

  /// 132 multiprocessors of 128 lanes at 1.755 GHz; HBM3e of 4.8 TB/s, of which kernels get four fifths; PCIe 5 × 16.
  private static let h200 = PredictedDevice(
    name: "h200", title: "NVIDIA H200 SXM",
    source: "NVIDIA's data sheet (141 GB, 4.8 TB/s) and sm_90 code of clang 19 and ptxas 13.5",
    machine: .groups(
      GroupMachine(
        units: 132, clock: 1.755e9, multiplyAdds: 128, memoryBandwidth: 0.8 * 4.8e12, linkBandwidth: 50e9,
        launchSeconds: 5e-6, shortestKernel: 3e-6, stepCycles: 800, aloneCycles: 300,
        products: [
          .init(128, 128): .init(arithmeticShare: 0.875, localShare: 1.6, residentGroups: 2),
          .init(64, 64): .init(arithmeticShare: 0.853, localShare: 1, residentGroups: 4),
          .init(32, 64): .init(
            arithmeticShare: 0.742, localShare: 0.727, residentGroups: 8, stepDepth: 32, stepCycles: 900),
          .init(16, 64): .init(
            arithmeticShare: 0.705, localShare: 0.615, residentGroups: 12, stepDepth: 32, stepCycles: 900),
        ],
        attention: .init(arithmeticShare: 0.596, localShare: 0.95, residentGroups: 4),
        relevance: .init(arithmeticShare: 0.72, localShare: 0.95, residentGroups: 8))))

  /// 304 compute units of 128 lanes, packed multiply-adds, at 2.1 GHz; HBM3 of 5.3 TB/s; PCIe 5 × 16.
  ///
  /// gfx942 code pairs all multiply-adds of the products; of local memory a unit gets 128 bytes in a cycle, and nothing
  /// is known of what its lanes share.
  private static let mi300x = PredictedDevice(
    name: "mi300x", title: "AMD Instinct MI300X",
    source: "AMD's data sheet (163.4 TFLOP/s of float32 vectors, 5.3 TB/s) and gfx942 code of clang 19",
    machine: .groups(
      GroupMachine(
        units: 304, clock: 2.1e9, multiplyAdds: 128, memoryBandwidth: 0.8 * 5.3e12, linkBandwidth: 50e9,
        launchSeconds: 8e-6, shortestKernel: 5e-6, stepCycles: 1000, aloneCycles: 300,
        products: [
          .init(128, 128): .init(arithmeticShare: 0.79, localShare: 0.9, residentGroups: 3),
          .init(64, 64): .init(arithmeticShare: 0.65, localShare: 0.5, residentGroups: 7),
          .init(32, 64): .init(arithmeticShare: 0.58, localShare: 0.4, residentGroups: 9),
          .init(16, 64): .init(arithmeticShare: 0.55, localShare: 0.35, residentGroups: 11),
        ],
        attention: .init(arithmeticShare: 0.28, localShare: 0.5, residentGroups: 2),
        relevance: .init(arithmeticShare: 0.32, localShare: 0.5, residentGroups: 2))))

  /// 32 Xe cores of 128 lanes at 2.1 GHz; GDDR6 of 560 GB/s; PCIe 4 × 16.
  ///
  /// Kernels are compiled for 8 lanes, and those of the 128 × 128 tile spill 2 to 4 KB of a thread's registers.
  private static let arcA770 = PredictedDevice(
    name: "arc-a770", title: "Intel Arc A770",
    source: "Intel's data sheet (32 Xe cores, 2.1 GHz, 560 GB/s) and dg2 code of IGC 1.0.12504",
    machine: .groups(
      GroupMachine(
        units: 32, clock: 2.1e9, multiplyAdds: 128, memoryBandwidth: 0.8 * 560e9, linkBandwidth: 20e9,
        launchSeconds: 10e-6, shortestKernel: 5e-6, stepCycles: 1000, aloneCycles: 300,
        products: [
          .init(128, 128): .init(arithmeticShare: 0.5, localShare: 0.8, residentGroups: 3),
          .init(64, 64): .init(arithmeticShare: 0.6, localShare: 0.6, residentGroups: 7),
          .init(32, 64): .init(arithmeticShare: 0.55, localShare: 0.5, residentGroups: 8),
          .init(16, 64): .init(arithmeticShare: 0.5, localShare: 0.4, residentGroups: 8),
        ],
        attention: .init(arithmeticShare: 0.35, localShare: 0.5, residentGroups: 4),
        relevance: .init(arithmeticShare: 0.4, localShare: 0.5, residentGroups: 4))))
}
