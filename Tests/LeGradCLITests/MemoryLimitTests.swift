import Foundation
import ImageFiles
import TestSupport
import Testing

/// Commands that may take less memory than they would: every end is an exit code with one line that says why.
@Suite(.serialized) struct MemoryLimitTests {
  let scratch: ScratchFolder

  init() throws { scratch = try ScratchFolder() }

  /// Runs the command with at most `megabytes` of addresses.
  private func run(_ arguments: [String], megabytes: Int) throws -> CommandResult {
    let words = ([CommandRunner.binary] + arguments).map { "'\($0)'" }.joined(separator: " ")
    return try RunningCommand(
      ["-c", "ulimit -v \(megabytes * 1024); exec \(words)"], in: scratch, environment: [:], executable: "/bin/sh"
    ).wait()
  }

  /// A picture of one grey, a few kilobytes for each million pixels.
  private func write(side: Int, to name: String) throws {
    let pixels = [UInt8](repeating: 90, count: side * side)
    try scratch.write(PNGEncoder.encode(pixels: pixels, width: side, height: side, channels: .grey), to: name)
  }

  /// The least memory with which the command starts, in MiB.
  private func least() throws -> Int {
    for megabytes in stride(from: 100, through: 1000, by: 20) {
      if try run(["--version"], megabytes: megabytes).exitCode == 0 { return megabytes }
    }
    Issue.record("the command does not start with 1000 MiB")
    return 1000
  }

  @Test func explain() throws {
    let least = try least()
    for side in [500, 2000, 4000] { try write(side: side, to: "\(side).png") }
    var codes: Set<Int32> = []
    for megabytes in [0, 20, 40, 80, 160, 400, 1000].map({ least + $0 }) {
      for side in [500, 2000, 4000] {
        let result = try run(
          ["explain", "\(side).png", "-p", "a red square", "--device", "cpu", "--overwrite"], megabytes: megabytes)
        let code = try #require(result.exitCode, "\(megabytes) MiB, \(side): a signal\n\(result.errors)")
        codes.insert(code)
        #expect([0, 1, 5].contains(code), "\(megabytes) MiB, \(side): \(code)\n\(result.errors)")
        #expect(result.complaints.count == (code == 0 ? 0 : 1), "\(result.errors)")
        if megabytes >= least + 1000 { #expect(code == 0, "\(side): \(result.errors)") }
      }
    }
    #expect(codes.isSuperset(of: [0, 1]))
  }

  @Test func explainFailsForThePictureAlone() throws {
    for side in [500, 6000] { try write(side: side, to: "\(side).png") }
    let result = try run(
      ["explain", "6000.png", "500.png", "-p", "a red square", "--device", "cpu"], megabytes: try least() + 400)
    expectExit(1, result, complaint: "6000.png: the picture has too many pixels for the memory: expected at most")
    let files = scratch.files(in: "legrad-out")
    #expect(!files.isEmpty && files.allSatisfy { $0.hasPrefix("500.") }, "\(files)")
  }

  @Test func evaluateFailsForThePictureAlone() throws {
    for folder in ["set/images", "set/masks"] {
      try FileManager.default.createDirectory(atPath: scratch.path(folder), withIntermediateDirectories: true)
    }
    for (name, side) in [("a", 300), ("b", 6000), ("c", 300)] {
      try write(side: side, to: "set/images/\(name).png")
      try write(side: 300, to: "set/masks/\(name).png")
    }
    try scratch.write(#"{"a": "red square", "b": "red square", "c": "blue square"}"#, to: "set/classes.json")
    let arguments = ["evaluate", "segmentation", "--dataset", "set", "-o", "out", "--json", "--device", "cpu"]
    let least = try least()
    let result = try run(arguments, megabytes: least + 400)
    expectExit(1, result, complaint: "b.png: the picture has too many pixels for the memory")
    let object = try #require(try result.json() as? [String: Any])
    #expect(object["images"] as? Int == 3 && object["failed"] as? Int == 1)
    for megabytes in [0, 30, 60, 100, 200].map({ least + $0 }) {
      try? FileManager.default.removeItem(atPath: scratch.path("out"))
      let result = try run(arguments, megabytes: megabytes)
      let code = try #require(result.exitCode, "\(megabytes) MiB: a signal\n\(result.errors)")
      #expect([0, 1, 5].contains(code) && (code == 0 || !result.complaints.isEmpty), "\(result.errors)")
    }
  }

  /// A note as processes leave it that died while they read the second image and no other; after one death it is read
  /// again.
  @Test(arguments: [1, 2]) func resumeLeavesOutAnImageThatProcessesDiedAt(deaths: Int) throws {
    for folder in ["set/images", "set/masks"] {
      try FileManager.default.createDirectory(atPath: scratch.path(folder), withIntermediateDirectories: true)
    }
    for name in ["a", "b", "c"] {
      for folder in ["images", "masks"] { try write(side: 64, to: "set/\(folder)/\(name).png") }
    }
    try scratch.write(#"{"a": "red square", "b": "red square", "c": "blue square"}"#, to: "set/classes.json")
    let arguments = ["evaluate", "segmentation", "--dataset", "set", "-o", "out", "--json", "--device", "cpu"]
    expectExit(0, try CommandRunner.run(arguments, in: scratch))
    let rows = String(decoding: try scratch.bytes("out/shards/0-of-1.jsonl"), as: UTF8.self).split(separator: "\n")
    try FileManager.default.removeItem(atPath: scratch.path("out/shards/0-of-1.jsonl"))
    try scratch.write(rows.prefix(2).joined(separator: "\n") + "\n", to: "out/shards/0-of-1.jsonl.part")
    try scratch.write("elsewhere 0\n1 \(deaths) 1\n", to: "out/shards/0-of-1.jsonl.reading")
    let result = try CommandRunner.run(arguments + ["--resume"], in: scratch)
    if deaths == 1 {
      expectExit(0, result)
    } else {
      expectExit(1, result, complaint: "b: expected an image that can be read, found one while reading which")
    }
    let object = try #require(try result.json() as? [String: Any])
    #expect(object["images"] as? Int == 3 && object["failed"] as? Int == deaths - 1)
    #expect(scratch.files(in: "out/shards") == ["0-of-1.jsonl"])
  }

  @Test func tooLittleToStart() throws {
    // Between what the loader needs and what a command does.
    let least = try least()
    let result = try run(["--version"], megabytes: least - 30)
    // The loader may be the one that says it.
    #expect(result.exitCode == 5 || result.exitCode == 127, "\(result.errors)")
    #expect(result.errors.split(separator: "\n").count == 1, "\(result.errors)")
  }
}
