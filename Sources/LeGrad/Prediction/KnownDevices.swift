import Compute
import ComputeOpenCL
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
        relevance: .init(arithmeticShare: 0.72, localShare: 0.95, residentGroups: 8),
        matrixUnits: hopperTensorCores)))

  /// Four tensor cores of 512 multiply-adds on a multiprocessor: 989 TFLOP/s in the data sheet, at 1.83 GHz.
  ///
  /// `mma.sync` is known to reach 62 % of that. An instruction takes a core four cycles, in which four are issued: of
  /// loops with fewer than 15.5 % of them, issuing is the bound. Local memory is counted: `ldmatrix` reads 512 bytes for
  /// a square of either side, tiles are written once, 128 bytes a cycle. A step waits for memory as the portable ones do.
  private static let hopperTensorCores = MatrixUnits(
    instructions: .nvidia, multiplyAdds: 2048, cacheBandwidth: 6e12, localMemory: 48 << 10,
    inOnePart: .init(
      products: [
        .init(128, 128): .init(arithmeticShare: 0.62, localShare: 0.5, residentGroups: 2, stepCycles: 900),
        .init(64, 64): .init(arithmeticShare: 0.62, localShare: 0.33, residentGroups: 5, stepCycles: 900),
        .init(16, 64): .init(arithmeticShare: 0.46, localShare: 0.15, residentGroups: 5, stepCycles: 900),
      ],
      attention: .init(arithmeticShare: 0.22, localShare: 0.23, residentGroups: 4),
      relevance: .init(arithmeticShare: 0.54, localShare: 0.25, residentGroups: 4)),
    inTwoParts: .init(
      products: [
        .init(128, 128): .init(arithmeticShare: 0.62, localShare: 0.75, residentGroups: 2, stepCycles: 900),
        .init(64, 64): .init(arithmeticShare: 0.62, localShare: 0.5, residentGroups: 5, stepCycles: 900),
        .init(16, 64): .init(arithmeticShare: 0.62, localShare: 0.23, residentGroups: 5, stepCycles: 900),
      ],
      attention: .init(arithmeticShare: 0.4, localShare: 0.38, residentGroups: 4),
      relevance: .init(arithmeticShare: 0.62, localShare: 0.33, residentGroups: 4)))

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
        relevance: .init(arithmeticShare: 0.32, localShare: 0.5, residentGroups: 2),
        matrixUnits: cdna3MatrixCores)))

  /// Four matrix cores of 256 multiply-adds in a compute unit: 1,307 TFLOP/s in the data sheet.
  ///
  /// An instruction of 16 × 16 × 16 takes a core 16 cycles, and one of a vector four of the unit beside it; half of what is
  /// issued besides are taken to be such, and NVIDIA's reach to be AMD's too. Local memory is counted as NVIDIA's.
  private static let cdna3MatrixCores = MatrixUnits(
    instructions: .amdMFMA, multiplyAdds: 1024, cacheBandwidth: 10e12, localMemory: 64 << 10,
    inOnePart: .init(
      products: [
        .init(128, 128): .init(arithmeticShare: 0.62, localShare: 1.3, residentGroups: 2, stepCycles: 1100),
        .init(64, 64): .init(arithmeticShare: 0.62, localShare: 0.67, residentGroups: 2, stepCycles: 1100),
        .init(16, 64): .init(arithmeticShare: 0.62, localShare: 0.36, residentGroups: 1, stepCycles: 1100),
      ],
      attention: .init(arithmeticShare: 0.3, localShare: 0.46, residentGroups: 2),
      relevance: .init(arithmeticShare: 0.5, localShare: 0.5, residentGroups: 2)),
    inTwoParts: .init(
      products: [
        .init(128, 128): .init(arithmeticShare: 0.62, localShare: 2, residentGroups: 2, stepCycles: 1100),
        .init(64, 64): .init(arithmeticShare: 0.62, localShare: 1, residentGroups: 2, stepCycles: 1100),
        .init(16, 64): .init(arithmeticShare: 0.62, localShare: 0.55, residentGroups: 1, stepCycles: 1100),
      ],
      attention: .init(arithmeticShare: 0.4, localShare: 0.76, residentGroups: 1),
      relevance: .init(arithmeticShare: 0.55, localShare: 0.66, residentGroups: 1)))

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
        relevance: .init(arithmeticShare: 0.4, localShare: 0.5, residentGroups: 4),
        matrixUnits: alchemistMatrixEngines)))

  /// Sixteen engines of 64 multiply-adds in an Xe core: 137.6 TFLOP/s in the data sheet.
  ///
  /// What their compiler makes of a step is not known, only that it spills nothing: NVIDIA's reach is taken for the largest
  /// tile, less for those that have more beside their products. Local memory is counted as NVIDIA's, in warps of 8 lanes.
  private static let alchemistMatrixEngines = MatrixUnits(
    instructions: .intel8, multiplyAdds: 1024, cacheBandwidth: 2e12, localMemory: 64 << 10,
    inOnePart: .init(
      products: [
        .init(128, 128): .init(arithmeticShare: 0.62, localShare: 0.57, residentGroups: 2, stepCycles: 1100),
        .init(64, 64): .init(arithmeticShare: 0.5, localShare: 0.4, residentGroups: 4, stepCycles: 1100),
        .init(16, 64): .init(arithmeticShare: 0.4, localShare: 0.31, residentGroups: 8, stepCycles: 1100),
      ],
      attention: .init(arithmeticShare: 0.2, localShare: 0.35, residentGroups: 2),
      relevance: .init(arithmeticShare: 0.4, localShare: 0.4, residentGroups: 2)),
    inTwoParts: .init(
      products: [
        .init(128, 128): .init(arithmeticShare: 0.62, localShare: 0.86, residentGroups: 2, stepCycles: 1100),
        .init(64, 64): .init(arithmeticShare: 0.55, localShare: 0.6, residentGroups: 4, stepCycles: 1100),
        .init(16, 64): .init(arithmeticShare: 0.45, localShare: 0.46, residentGroups: 8, stepCycles: 1100),
      ],
      attention: .init(arithmeticShare: 0.35, localShare: 0.6, residentGroups: 2),
      relevance: .init(arithmeticShare: 0.45, localShare: 0.6, residentGroups: 2)))
}
