import Files
import Glibc
import LeGrad
import Processes
import Synchronization
import TestSupport
import Testing

@testable import Evaluation

@Suite("ImageNet-Segmentation files from strangers")
struct MalformedSegmentationTests {
  let classIndex: ClassIndex

  init() throws { classIndex = try ClassIndex(path: Expected.path("imagenet_class_index.json")) }

  @Test("one wrong part each: named in one line, and no other image fails", arguments: try hostileFiles())
  func hostile(name: String, reason: String) throws {
    let path = Expected.path("imagenet-seg-hostile/\(name).mat")
    let message = failure {
      let dataset = try ImageNetSegmentation(path: path, classIndex: classIndex, reader: Expected.hdf5Reader())
      #expect(dataset.manifest.entries.map(\.id) == ["n01440764_1"])
      _ = try dataset.image(at: 0)
    }
    #expect(message?.hasPrefix(path + ": ") == true, "\(message ?? "no error")")
    #expect(message?.contains(reason) == true, "\(message ?? "no error")")
    #expect(message?.contains("\n") == false)
  }

  private static func hostileFiles() throws -> [(String, String)] {
    try Expected.read().hostileSegmentation.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
  }

  @Test("a bad image leaves the others readable")
  func oneBadImage() throws {
    let scratch = try ScratchFolder()
    var bytes = try fixture()
    // The compressed data of the first image starts with zlib's two bytes.
    let start = try #require(bytes.indices.dropFirst(2_048).first { bytes[$0...].starts(with: [0x78, 0x5E]) })
    for index in start..<(start + 40) { bytes[index] = 0xFF }
    let dataset = try ImageNetSegmentation(
      path: scratch.write(bytes, "a.mat"), classIndex: classIndex, reader: Expected.hdf5Reader())
    let failures = (0..<4).compactMap { index in failure { _ = try dataset.image(at: index) } }
    #expect(failures.count == 1)
    #expect(failures.first?.contains("found damaged data") == true)
  }

  @Test("a file cut anywhere is an error, not a crash")
  func cut() throws {
    let bytes = try fixture()
    let scratch = try ScratchFolder()
    for length in stride(from: 0, to: bytes.count - 1, by: 997) {
      let path = try scratch.write(Array(bytes.prefix(length)), "cut.mat")
      #expect(throws: LeGradError.self, "\(length) bytes") { try readAll(path) }
    }
  }

  @Test("bytes changed anywhere give an error or an image, not a crash")
  func changed() throws {
    let original = try fixture()
    let scratch = try ScratchFolder()
    var random = SeededRandom(seed: 8)
    for _ in 0..<100 {
      var bytes = original
      for _ in 0..<8 {
        bytes[Int.random(in: 0..<bytes.count, using: &random)] = UInt8.random(in: 0...255, using: &random)
      }
      let path = try scratch.write(bytes, "changed.mat")
      _ = failure { try readAll(path) }
    }
  }

  private func readAll(_ path: String) throws {
    let dataset = try ImageNetSegmentation(path: path, classIndex: classIndex, reader: Expected.hdf5Reader())
    for index in dataset.manifest.entries.indices { _ = try dataset.image(at: index) }
  }

  private func fixture() throws -> [UInt8] {
    try WholeFile.read(Expected.path("imagenet-seg/gtsegs.mat"), limit: 1 << 20)
  }

  @Test("other files are refused with what to do")
  func otherFiles() throws {
    func message(_ path: String) -> String? {
      failure { _ = try ImageNetSegmentation(path: path, classIndex: classIndex, reader: Expected.hdf5Reader()) }
    }
    #expect(message(Expected.path("imagenet-val/meta.mat"))?.contains("found a MATLAB 5.0 file; save it") == true)
    #expect(message(Expected.path("expected.json"))?.contains("expected an HDF5 file") == true)
    #expect(message(Expected.path("not-there.mat"))?.contains("expected a readable file") == true)
    #expect(message(Expected.path("imagenet-seg"))?.contains("found a folder") == true)
  }

  @Test("without the library: the package to install")
  func noLibrary() {
    #expect(
      fault(of: ["libnothing.so.1", "libnothing.so"])
        == HDF5Fault(
          expected: "version 1.10.3 to 2", found: "libnothing.so.1: not found",
          remedy: "install it (Debian, Ubuntu: apt install libhdf5-dev)"))
    #expect(
      fault(of: ["libnothing.so.1", "libc.so.6", "libnothing.so"])?.found
        == "libc.so.6: not HDF5, or older than 1.10.3")
  }

  private func fault(of libraries: [String]) -> HDF5Fault? {
    do throws(HDF5Fault) { _ = try HDF5Library(names: libraries) } catch { return error }
    return nil
  }
}

@Suite("HDF5 read by another process")
struct HDF5ReaderTests {
  @Test("what is asked and answered arrives as it was")
  func messages() {
    let requests: [HDF5Request] = [
      .open(path: [0x2F, 0xE9, 0xFF]), .array(.references, .path("/value/id"), rank: 2, limit: .max),
      .array(.labels, .reference(HDF5Reference(address: 0x8123_4567_89AB_CDEF)), rank: 255, limit: 1),
    ]
    for request in requests {
      #expect(request.bytes.prefix(8) == [UInt8(request.bytes.count - 8), 0, 0, 0, 0, 0, 0, 0])
      #expect(HDF5Request(Array(request.bytes.dropFirst(8))) == request)
    }
    let fault = HDF5Fault(expected: "α", found: "", remedy: "γ")
    for answer: HDF5Answer in [.opened, .shape([3, 1 << 40, 5]), .fault(fault), .noLibrary(fault)] {
      #expect(HDF5Answer(Array(answer.bytes.dropFirst(8))) == answer)
    }
    for bytes: [UInt8] in [[], [1, 2], [2], [2, 0], [3, 0, 0, 0], [4], [0, 0]] { #expect(HDF5Answer(bytes) == nil) }
    for bytes: [UInt8] in [[], [1], [1, 9, 2], [7] + [UInt8](repeating: 0, count: 20)] {
      #expect(HDF5Request(bytes) == nil)
    }
  }

  @Test(
    "a process that crashes, ends, hangs or says nonsense is an error",
    arguments: [
      ("kill -SEGV $$", "one at which the HDF5 library crashes (signal 11)"),
      ("kill -SYS $$", "one at which the HDF5 library asks the system for what reading does not need"),
      ("exit 9", "one at which the HDF5 library ends its process (exit code 9)"),
      ("sleep 1000", "one in which the HDF5 library is busy for more than 1 s"),
      // It stays, so that its answer arrives before its end.
      (
        "exec 3>&0; head -c 100 /dev/zero | tr '\\0' x >&3; sleep 1000",
        "one at which the HDF5 library says what makes no sense"
      ),
    ])
  func faulty(script: String, found: String) throws {
    let scratch = try ScratchFolder()
    let program = try scratch.write(Array("#!/bin/sh\n\(script)\n".utf8), "reader")
    let status = unsafe chmod(program, 0o755)
    #expect(status == 0)
    let message = failure {
      _ = try HDF5Reader(
        path: Expected.path("imagenet-seg/gtsegs.mat"), .init(executable: program, arguments: []),
        timeLimit: .seconds(1))
    }
    #expect(message?.contains("found \(found)") == true, "\(message ?? "no error")")
  }

  @Test("once a file is open, the kernel holds its process to reading it")
  func confined() throws {
    let reader = try HDF5Reader(path: Expected.path("imagenet-seg/gtsegs.mat"), Expected.hdf5Reader())
    let process = try #require(reader.process.withLock { $0?.identifier })
    let status = try WholeFile.read("/proc/\(process)/status", limit: 1 << 20)
    let lines = String(decoding: status, as: UTF8.self).split(separator: "\n")
    // 2: by a filter.
    #expect(lines.contains("Seccomp:\t2"))
    #expect(lines.contains("NoNewPrivs:\t1"))
  }

  @Test("what cannot be started is an error")
  func nothing() {
    let message = failure {
      _ = try HDF5Reader(
        path: Expected.path("imagenet-seg/gtsegs.mat"), .init(executable: "/nonexistent/legrad", arguments: []))
    }
    #expect(message?.contains("found none that the system starts") == true, "\(message ?? "no error")")
  }

  @Test("an array at which the process ends is an error, and the next is read by another process")
  func goesOn() throws {
    let scratch = try ScratchFolder()
    let script = """
      #!/bin/sh
      if test -e \(scratch.path)/second; then exec \(try Expected.command()) read-hdf5; fi
      touch \(scratch.path)/second
      { printf '\\001\\0\\0\\0\\0\\0\\0\\0\\0'; } >&0
      dd bs=1 count=50 of=/dev/null 2>/dev/null
      kill -ABRT $$
      """
    let program = try scratch.write(Array(script.utf8), "reader")
    let status = unsafe chmod(program, 0o755)
    #expect(status == 0)
    let reader = try HDF5Reader(
      path: Expected.path("imagenet-seg/gtsegs.mat"), .init(executable: program, arguments: []))
    let read = {
      try reader.array(of: HDF5Reference.self, at: .path("/value/img"), place: "/value/img", rank: 2, limit: 10)
    }
    #expect(failure { _ = try read() }?.contains("/value/img: expected data that the HDF5 library reads") == true)
    #expect(try read().shape == [4, 1])
    #expect(try read().values.count == 4)
  }
}
