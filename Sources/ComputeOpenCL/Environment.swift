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

  /// A folder that tests put in place of the one below: the environment belongs to the whole process.
  @TaskLocal static var testCacheFolder: String?

  /// Where built programs are kept: `LEGRAD_CACHE` (empty for nowhere), else the user's cache folder.
  static var cacheFolder: String? {
    if let testCacheFolder { return testCacheFolder }
    if let folder = unsafe getenv("LEGRAD_CACHE") {
      let text = unsafe String(cString: folder)
      return text.isEmpty ? nil : text
    }
    if let cache = value("XDG_CACHE_HOME") { return cache + "/legrad" }
    return value("HOME").map { $0 + "/.cache/legrad" }
  }

  /// A variable that is set and not empty.
  private static func value(_ name: String) -> String? {
    guard let text = unsafe getenv(name) else { return nil }
    let value = unsafe String(cString: text)
    return value.isEmpty ? nil : value
  }
}
