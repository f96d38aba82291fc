import Files
import LeGrad
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
      let dataset = try ImageNetSegmentation(path: path, classIndex: classIndex)
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
    let dataset = try ImageNetSegmentation(path: scratch.write(bytes, "a.mat"), classIndex: classIndex)
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
    for _ in 0..<300 {
      var bytes = original
      for _ in 0..<8 {
        bytes[Int.random(in: 0..<bytes.count, using: &random)] = UInt8.random(in: 0...255, using: &random)
      }
      let path = try scratch.write(bytes, "changed.mat")
      _ = failure { try readAll(path) }
    }
  }

  private func readAll(_ path: String) throws {
    let dataset = try ImageNetSegmentation(path: path, classIndex: classIndex)
    for index in dataset.manifest.entries.indices { _ = try dataset.image(at: index) }
  }

  private func fixture() throws -> [UInt8] {
    try WholeFile.read(Expected.path("imagenet-seg/gtsegs.mat"), limit: 1 << 20)
  }

  @Test("other files are refused with what to do")
  func otherFiles() throws {
    func message(_ path: String) -> String? {
      failure { _ = try ImageNetSegmentation(path: path, classIndex: classIndex) }
    }
    #expect(message(Expected.path("imagenet-val/meta.mat"))?.contains("found a MATLAB 5.0 file; save it") == true)
    #expect(message(Expected.path("expected.json"))?.contains("expected an HDF5 file") == true)
    #expect(message(Expected.path("not-there.mat"))?.contains("expected a readable file") == true)
    #expect(message(Expected.path("imagenet-seg"))?.contains("found a folder") == true)
  }

  @Test("without the library: one line with the package to install")
  func noLibrary() {
    let missing = failure { _ = try HDF5Library(names: ["libnothing.so.1", "libnothing.so"]) }
    #expect(
      missing
        == "HDF5 library: expected version 1.10.3 to 2, found libnothing.so.1: not found; "
        + "install it (Debian, Ubuntu: apt install libhdf5-dev)")
    let other = failure { _ = try HDF5Library(names: ["libnothing.so.1", "libc.so.6", "libnothing.so"]) }
    #expect(other?.contains("found libc.so.6: not HDF5, or older than 1.10.3") == true)
  }
}
