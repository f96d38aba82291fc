import Foundation
import TestSupport
import Testing

/// What is on the disk when it is said to be, by the order of the calls that bring it there.
@Suite struct PowerCutTests {
  private static func calls(sync: String) throws -> [FaultySystem.Call] {
    let scratch = try ScratchFolder()
    let result = try CommandRunner.run(
      ["evaluate", "shapes", "--scenes", "3", "-m", GoldenCommand.model, "--device", "cpu"]
        + ["-o", "out/run", "--sync", sync], in: scratch,
      environment: FaultySystem.environment(trace: scratch.path("trace")))
    expectExit(0, result)
    return try FaultySystem.calls(scratch.path("trace"))
  }

  private static let part = "0-of-1.jsonl.part"

  /// Writing and syncing of the file of rows, in their order, before it is renamed.
  private static func rows(_ calls: [FaultySystem.Call]) -> [String] {
    calls.filter { ["write", "sync"].contains($0.kind) && $0.fileName == part && $0.result >= 0 }.map(\.kind)
  }

  @Test func everyRowIsOnTheDiskBeforeTheNext() throws {
    let rows = Self.rows(try Self.calls(sync: "row"))
    // The header and six rows, each with its own, and the whole file at the end.
    #expect(rows == Array(repeating: ["write", "sync"], count: 7).flatMap { $0 } + ["sync"])
  }

  @Test func rowsAreLeftToTheSystemWhereThatIsAsked() throws {
    let rows = Self.rows(try Self.calls(sync: "none"))
    #expect(rows == Array(repeating: "write", count: 7) + ["sync"])
  }

  /// The bytes of a file before its name, and its name before anything goes on.
  @Test(arguments: ["row", "5s", "none"]) func finalFilesAreOnTheDisk(sync: String) throws {
    let calls = try Self.calls(sync: sync)
    for name in ["run.json", "manifest.jsonl", "0-of-1.jsonl", "report.md", "report.csv", "report.json"] {
      let renamed = try #require(calls.firstIndex { $0.kind == "rename" && $0.fileName == name && $0.result == 0 })
      let before = calls[..<renamed]
      let isOwn = { (call: FaultySystem.Call) in
        call.fileName == Self.part && name == "0-of-1.jsonl" || call.fileName.hasPrefix(".\(name).")
      }
      let written = try #require(before.lastIndex { $0.kind == "write" && isOwn($0) })
      let synced = try #require(before.lastIndex { $0.name == "fsync" && $0.result == 0 && isOwn($0) })
      #expect(written < synced, "\(name)")
      let folder = calls[renamed].path.split(separator: "/").dropLast().last.map(String.init) ?? ""
      let next = try #require(calls[(renamed + 1)...].first { ["sync", "rename", "write"].contains($0.kind) })
      #expect(next.name == "fsync" && next.result == 0 && next.fileName == folder, "\(name): \(next)")
    }
  }

  /// A folder whose own name is lost takes its files with it.
  @Test func foldersThatAreMadeAreOnTheDisk() throws {
    let calls = try Self.calls(sync: "5s")
    let made = calls.indices.filter { calls[$0].name == "mkdir" && calls[$0].result == 0 }
    #expect(made.map { calls[$0].fileName } == ["out", "run", "shards"])
    for place in made {
      let next = try #require(calls[(place + 1)...].first { ["sync", "folder"].contains($0.kind) })
      #expect(next.name == "fsync" && next.result == 0, "\(calls[place]): \(next)")
    }
  }
}
