#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// The environment variables that the OpenCL backend reads.
enum Environment {
  /// `LEGRAD_KERNELS`: a folder whose `.cl` files are used instead of the embedded ones, for work on kernels.
  static var kernelFolder: String? { value("LEGRAD_KERNELS") }

  /// `LEGRAD_SYNC=1`: waits after every operation, so that an error names the one that failed.
  static var waitsAfterEveryOperation: Bool { value("LEGRAD_SYNC") == "1" }

  /// A variable that is set and not empty.
  private static func value(_ name: String) -> String? {
    guard let text = unsafe getenv(name) else { return nil }
    let value = unsafe String(cString: text)
    return value.isEmpty ? nil : value
  }
}
