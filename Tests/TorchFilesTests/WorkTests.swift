import Files
import SafeTensors
import TestSupport
import Testing
import Texts

@testable import TorchFiles

/// What is done for pickles and archives that were made to be slow: steps are counted, at four sizes.
@Suite struct WorkTests {
  static let sizes = [1_000, 2_000, 4_000, 8_000]

  /// Pickles of about `count` opcodes, well-formed or not.
  static let pickles: [(name: String, pickle: @Sendable (Int) -> [UInt8])] = [
    ("deep tuples", { [0x80, 2] + [0x29] + [UInt8](repeating: 0x85, count: $0) + stop }),
    ("lists in lists", { [0x80, 2] + bytes("]", $0) + bytes("a", $0 - 1) + stop }),
    ("marks", { [0x80, 2] + bytes("(", min($0, 1_000)) + bytes("t", min($0, 1_000)) + bytes("NN", $0) + stop }),
    (
      "memo entries",
      { [0x80, 2] + Array("N".utf8) + (0..<$0).flatMap { [0x72] + littleEndian(UInt64($0), 4) } + stop }
    ),
    ("one long list, appended to", { [0x80, 2] + Array("]".utf8) + bytes("Na", $0) + stop }),
    ("a list that has itself", { [0x80, 2] + Array("]q\0".utf8) + bytes("h\0a", $0) + stop }),
    ("one dictionary, a key at a time", { [0x80, 2] + Array("}".utf8) + bytes("NNs", $0) + stop }),
    ("one name, again and again", { [0x80, 2] + Pickle.string(String(repeating: "k", count: $0)) + again($0) + stop }),
    ("one storage, again and again", { [0x80, 2] + storage(key: "0") + bytes("h\0Q", $0) + stop }),
    (
      "a storage of a long name, again and again",
      { [0x80, 2] + storage(key: String(repeating: "k", count: $0)) + bytes("h\0Q", $0) + stop }
    ),
    (
      "tensors of many dimensions",
      {
        let shape = [Int](repeating: 1, count: 32)
        let tensor = Pickle.tensor(Pickle.storage("0", "FloatStorage", count: 6), shape: shape, strides: shape)
        return Pickle.whole(Pickle.dictionary((0..<$0 / 100).map { ("\($0)", tensor) }))
      }
    ),
  ]

  private static let stop = Array(".".utf8)

  private static func bytes(_ opcodes: String, _ count: Int) -> [UInt8] {
    (0..<max(0, count)).flatMap { _ in Array(opcodes.utf8) }
  }

  private static func again(_ count: Int) -> [UInt8] { Array("q\0".utf8) + bytes("h\0", count) }

  /// The description of a storage, kept under 0.
  private static func storage(key: String) -> [UInt8] {
    Pickle.storage(key, "FloatStorage", count: 6).dropLast() + Array("q\0Q".utf8)
  }

  @Test func picklesTakeTimeThatGrowsWithThem() throws {
    for (name, pickle) in Self.pickles {
      let steps = Self.sizes.map { size in
        var members: TextTable<Range<Int>> = [:]
        for key in ["0", String(repeating: "k", count: size)] { members["data/" + key] = 0..<24 }
        var machine = PickleMachine(pickle(size), members: members, faults: TorchFaults(path: "f"))
        let count = Work.Count()
        Work.$count.withValue(count) { _ = try? machine.run() }
        return count.total
      }
      #expect(steps[0] > 100, "\(name)")
      for (small, large) in zip(steps, steps.dropFirst()) {
        #expect(10 * large <= 21 * small + 2_000, "\(name): \(steps)")
      }
    }
  }

  /// Names of marks, which Swift's strings compare in the square of their length: each of these took 9 s.
  @Test func namesOfMarksAreBytes() throws {
    let marks = String(String.UnicodeScalarView((0..<30_000).map { $0.isMultiple(of: 2) ? "\u{301}" : "\u{316}" }))
    var archive = MalformedTorchTests.good
    for index in archive.members.indices {
      archive.members[index].name = "a" + marks + archive.members[index].name.dropFirst("archive".count)
    }
    for number in 0..<40 { archive.members.append(.init("a\(marks)/\(number)", [])) }
    let scratch = try ScratchFolder()
    let file = try TorchFile(path: scratch.write(archive.bytes, "model.pt"))
    #expect(file.tensors.map(\.name) == ["t"])
    archive.members.append(.init("b\(marks)/x", []))
    #expect(throws: TorchFileError.self) { try TorchFile(path: scratch.write(archive.bytes, "model.pt")) }
  }
}
