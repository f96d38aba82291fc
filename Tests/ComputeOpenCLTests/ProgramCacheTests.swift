import CKernels
import FoundationEssentials
import OpenCLRuntime
import TestSupport
import Testing

@testable import ComputeOpenCL

extension DriverTests {
  /// Built programs on disk: what is loaded, what is built again, and that nothing about them can hurt.
  @Suite struct ProgramCacheTests {
    let scratch: ScratchFolder
    private let context: OpenCLContext

    init() throws {
      scratch = try ScratchFolder()
      context = try OpenCLContext(WatchedOpenCL.device())
    }

    /// How a kernel came to be.
    private struct Origin: Equatable {
      var fromSource = 0
      var fromBinary = 0

      static let source = Origin(fromSource: 1)
      static let binary = Origin(fromBinary: 1)
    }

    private var cache: String { scratch.path + "/cache" }
    private var files: [String] {
      ((try? FileManager.default.contentsOfDirectory(atPath: cache)) ?? []).map { cache + "/" + $0 }.sorted()
    }

    /// Fills seven floats with 3 through the kernel of a new library, and says where the program came from.
    private func fill(
      cache: String?, kernels: String? = nil, _ identifier: KernelIdentifier = KernelIdentifier("fill")
    ) throws -> (values: [Float], origin: Origin) {
      let (values, counts) = try WatchedOpenCL.watch {
        let library = KernelLibrary(context, folders: .init(cache: cache, kernels: kernels))
        let queue = try OpenCLQueue(context)
        let memory = try OpenCLMemory(context, bytes: 7 * 4)
        try queue.launch(
          library.kernel(identifier),
          [.memory(memory), .ulong(0), .uint(7), .float(3), .uint(1), .uint(7)], global: [64, 1], local: [64, 1])
        var values = [Float](repeating: 0, count: 7)
        unsafe try values.withUnsafeMutableBytes { bytes in
          unsafe try queue.read(OpenCLRegion(memory, rowBytes: bytes.count), into: #require(bytes.baseAddress))
        }
        return values
      }
      return (
        values,
        Origin(
          fromSource: counts.calls(named: "clCreateProgramWithSource"),
          fromBinary: counts.calls(named: "clCreateProgramWithBinary"))
      )
    }

    private let threes = [Float](repeating: 3, count: 7)

    @Test func aProgramIsBuiltOnce() throws {
      let first = try fill(cache: cache)
      #expect(first.origin == .source && first.values == threes)
      #expect(files.count == 1)
      for _ in 0..<2 {
        let later = try fill(cache: cache)
        #expect(later.origin == .binary && later.values == threes)
      }
      #expect(files.count == 1)
    }

    @Test func withoutAFolderEveryLibraryBuilds() throws {
      for _ in 0..<2 {
        let built = try fill(cache: nil)
        #expect(built.origin == .source && built.values == threes)
      }
    }

    /// A file cut short, as by a full disk, or of other content, as by a bad one.
    @Test(arguments: ["empty", "cut", "one byte short", "garbage", "a bit changed", "another program's"])
    func aDamagedFileIsBuiltAgain(_ damage: String) throws {
      _ = try fill(cache: cache)
      let file = try #require(files.first)
      let whole = [UInt8](try Data(contentsOf: URL(filePath: file)))
      var bytes = whole
      switch damage {
      case "empty": bytes = []
      case "cut": bytes = Array(whole.prefix(whole.count / 2))
      case "one byte short": bytes.removeLast()
      case "garbage": bytes = whole.indices.map { UInt8(truncatingIfNeeded: $0 &* 167 &+ 13) }
      case "a bit changed": bytes[whole.count / 2] ^= 16
      default:
        _ = try fill(cache: cache, KernelIdentifier("fill", lanes: 16))
        let other = try #require(files.first { $0 != file })
        bytes = [UInt8](try Data(contentsOf: URL(filePath: other)))
      }
      try Data(bytes).write(to: URL(filePath: file))

      let again = try fill(cache: cache)
      #expect(again.origin.fromSource == 1 && again.values == threes)
      let repaired = try fill(cache: cache)
      #expect(repaired.origin == .binary && repaired.values == threes)
    }

    @Test func aBinaryThatTheDriverRefusesIsBuiltAgain() throws {
      _ = try fill(cache: cache)
      let (kernel, counts) = try WatchedOpenCL.watch(failing: 0...0) {
        try KernelLibrary(context, folders: .init(cache: cache)).kernel(KernelIdentifier("fill"))
      }
      #expect(kernel.name == "fill")
      #expect(counts.calls.prefix(2) == ["clCreateProgramWithBinary", "clCreateProgramWithSource"])
    }

    @Test func aFolderThatCannotBeMadeIsHarmless() throws {
      let file = try scratch.write([], "file")
      for folder in [file, file + "/below", "/proc/legrad"] {
        let built = try fill(cache: folder)
        #expect(built.origin == .source && built.values == threes)
      }
    }

    /// A program belongs to its source and its options.
    @Test func otherOptionsAndSourcesAreOtherPrograms() throws {
      _ = try fill(cache: cache)
      #expect(try fill(cache: cache, KernelIdentifier("fill", lanes: 16)).origin == .source)
      #expect(files.count == 2)
      let kernels = try kernelFolder { $0 + "\n" }
      #expect(try fill(cache: cache, kernels: kernels).origin == .source)
      #expect(files.count == 3)
      #expect(try fill(cache: cache).origin == .binary)
      #expect(try fill(cache: cache, KernelIdentifier("fill", lanes: 16)).origin == .binary)
      #expect(try fill(cache: cache, kernels: kernels).origin == .binary)
    }

    // MARK: Kernels from a folder

    /// A folder with `common.cl` and an edited `fill.cl`.
    private func kernelFolder(_ edit: (String) -> String) throws -> String {
      let common = try #require(KernelLibrary.embedded["common.cl"])
      let fill = try #require(KernelLibrary.embedded["fill.cl"])
      try scratch.write(Array(common.utf8), "common.cl")
      try scratch.write(Array(edit(fill).utf8), "fill.cl")
      return scratch.path
    }

    @Test func anEditedKernelIsUsed() throws {
      let edited = try kernelFolder { _ in
        """
        __kernel void fill(
            __global float *to, ulong offset, uint stride, float value, uint rows, uint columns) {
          if (get_global_id(0) < columns) to[get_global_id(0)] = 2 * value;
        }
        """
      }
      #expect(try fill(cache: cache, kernels: edited).values == [Float](repeating: 6, count: 7))
      #expect(try fill(cache: cache).values == threes)
    }

    @Test func aMistakeInAKernelIsNamedByItsLine() throws {
      let kernels = try kernelFolder { "nonsense\n" + $0 }
      let error = #expect(throws: OpenCLError.self) { try fill(cache: nil, kernels: kernels) }
      #expect(error?.description.contains("fill.cl:1:") == true, "\(error?.description ?? "")")
    }

    @Test(arguments: ["common.cl", "fill.cl"])
    func aMissingFileIsNamed(_ name: String) throws {
      let kernels = try kernelFolder { $0 }
      try FileManager.default.removeItem(atPath: kernels + "/" + name)
      let error = #expect(throws: OpenCLError.self) { try fill(cache: cache, kernels: kernels) }
      #expect(error?.description.contains(kernels + "/" + name) == true, "\(error?.description ?? "")")
    }
  }
}
