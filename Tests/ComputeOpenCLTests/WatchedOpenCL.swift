import CFaultyOpenCL
import COpenCL
import OpenCLRuntime
import TestSupport
import Testing

/// Tests that watch the driver or make it fail, one after the other: there is one count per process.
@Suite(.serialized, .enabled(if: TestDevice.first != nil)) struct DriverTests {}

/// The machine's OpenCL with every call counted, every object tracked, and chosen calls that fail.
enum WatchedOpenCL {
  /// The first device, behind the watched calls.
  static func device() throws -> OpenCLDevice {
    try #require(library.get().devices().first { $0.isAvailable })
  }

  static let library: Result<OpenCLLibrary, OpenCLError> = {
    var calls = legrad_opencl()
    if let reason = unsafe legrad_faulty_open(&calls) {
      return .failure(OpenCLError(call: "dlopen", status: .success, detail: unsafe String(cString: reason)))
    }
    return .success(OpenCLLibrary(calls: calls))
  }()

  /// What a piece of work asked of the driver.
  struct Counts {
    /// Names of the calls in their order, without those that release.
    let calls: [String]
    let uploadedBytes: Int
    let downloadedBytes: Int
    let waits: Int

    func calls(named name: String) -> Int { calls.count { $0 == name } }
  }

  /// Runs `body` and counts.
  /// - Parameter failing: calls, numbered from the start of `body`, that fail.
  static func watch<Result>(
    failing: ClosedRange<Int>? = nil, _ body: () throws -> Result
  ) rethrows -> (result: Result, counts: Counts) {
    legrad_faulty_reset()
    if let failing { legrad_faulty_fail(failing.lowerBound, failing.upperBound) }
    defer { legrad_faulty_reset() }
    let result = try body()
    let counts = legrad_faulty_counts()
    let names = (0..<counts.calls).map { unsafe legrad_faulty_call($0).map { unsafe String(cString: $0) } ?? "" }
    return (
      result,
      Counts(
        calls: names, uploadedBytes: counts.uploaded_bytes, downloadedBytes: counts.downloaded_bytes,
        waits: counts.waits)
    )
  }

  /// Objects that were created and not released, by kind.
  static var liveObjects: [String: Int] {
    let kinds = [
      ("contexts", LEGRAD_CONTEXTS), ("queues", LEGRAD_QUEUES), ("buffers", LEGRAD_BUFFERS),
      ("programs", LEGRAD_PROGRAMS), ("kernels", LEGRAD_KERNELS), ("events", LEGRAD_EVENTS),
      ("command buffers", LEGRAD_COMMAND_BUFFERS),
    ]
    return Dictionary(uniqueKeysWithValues: kinds.map { ($0.0, legrad_faulty_live($0.1)) })
  }
}
