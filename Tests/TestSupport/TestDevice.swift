public import Compute
public import ComputeOpenCL
import Foundation
public import OpenCLRuntime
import Synchronization
import Testing

/// The OpenCL device that tests run on: the machine's first.
///
/// Without one, tests that need it have no cases, and the one that counts devices fails where
/// `LEGRAD_REQUIRE_OPENCL=1` says that there must be one.
public enum TestDevice {
  public static let first: OpenCLDevice? = try? OpenCLLibrary.system().devices().first { $0.isAvailable }

  /// The kernels that can be of use on it, those on matrix units whether it has some or not; none without a device.
  public static let variants: [KernelVariant] =
    first.map { device in
      KernelVariant.allCases.filter { $0 == .matrix || KernelVariant.candidates(for: device).contains($0) }
    } ?? []

  /// Each variant in the precisions that it takes and computes differently.
  public static let kernels: [(variant: KernelVariant, precision: Precision)] = variants.flatMap { variant in
    Precision.allCases.filter { variant == .matrix ? variant.takes($0) : $0 != .bf16Split }.map { (variant, $0) }
  }

  public static let hasFloat64 = first?.hasFloat64 ?? false

  /// `LEGRAD_TEST_BACKENDS=opencl`, for tests of another driver: backends of the CPU are no cases.
  public static let isAlone = ProcessInfo.processInfo.environment["LEGRAD_TEST_BACKENDS"] == "opencl"

  public static var isRequired: Bool { ProcessInfo.processInfo.environment["LEGRAD_REQUIRE_OPENCL"] == "1" }

  /// `LEGRAD_KERNELS`: a folder of kernels to test in place of the embedded ones.
  public static var kernelFolder: String? { ProcessInfo.processInfo.environment["LEGRAD_KERNELS"] }

  public struct Missing: Error {}

  private struct Key: Hashable {
    let variant: KernelVariant
    let precision: Precision
  }

  private static let opened = Mutex<[Key: OpenCLBackend]>([:])

  /// The backend of all tests that count nothing of it and leave it as it was: each of its kernels is built once.
  /// - Parameter precision: the variant's finest where nil.
  public static func shared(_ variant: KernelVariant, _ precision: Precision? = nil) throws -> OpenCLBackend {
    let precision = precision ?? variant.finestPrecision
    return try opened.withLock { opened in
      let key = Key(variant: variant, precision: precision)
      if let backend = opened[key] { return backend }
      let backend = try backend(variant, precision)
      opened[key] = backend
      return backend
    }
  }

  /// Where built programs are kept in tests of another driver: the precisions share most. `LEGRAD_CACHE`, as for the
  /// command.
  private static let cacheFolder = ProcessInfo.processInfo.environment["LEGRAD_CACHE"].flatMap {
    isAlone && !$0.isEmpty ? $0 : nil
  }

  /// A backend of its own on the device.
  /// - Parameter precision: the variant's finest where nil.
  public static func backend(
    _ variant: KernelVariant, _ precision: Precision? = nil, change: (inout OpenCLBackend.Options) -> Void = { _ in }
  ) throws -> OpenCLBackend {
    guard let first else { throw Missing() }
    var options = OpenCLBackend.Options()
    options.variant = variant
    options.kernelFolder = kernelFolder
    options.cacheFolder = cacheFolder
    change(&options)
    return try OpenCLBackend(first, precision: precision ?? variant.finestPrecision, options: options)
  }
}
