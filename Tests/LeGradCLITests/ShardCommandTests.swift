import Foundation
import TestSupport
import Testing

/// A run in shards, by processes that fail in the ways in which processes on clusters do.
@Suite("evaluate --shard and merge")
struct ShardCommandTests {
  private static let run = [
    "evaluate", "shapes", "--scenes", "96", "--device", "cpu", "-m", Fixtures.path("clip/model"), "-o",
  ]
  private static let reports = ["report.md", "report.csv", "report.json"]

  /// The reports of a run by one process, which every split has to have.
  private static let single: Result<[String: [UInt8]], any Error> = Result {
    let folder = try ScratchFolder()
    expectExit(0, try CommandRunner.run(run + ["single"], in: folder))
    return try Dictionary(uniqueKeysWithValues: reports.map { ($0, try folder.bytes("single/" + $0)) })
  }

  private func evaluate(
    _ folder: ScratchFolder, _ more: [String] = [], environment: [String: String] = [:]
  ) throws -> CommandResult {
    try CommandRunner.run(Self.run + ["out"] + more, in: folder, environment: environment)
  }

  private func merge(_ folder: ScratchFolder, _ more: [String] = []) throws -> CommandResult {
    try CommandRunner.run(["merge", "out"] + more, in: folder)
  }

  private func expectSingleReport(_ folder: ScratchFolder) throws {
    for (name, bytes) in try Self.single.get() { #expect(try folder.bytes("out/" + name) == bytes, "\(name)") }
  }

  /// A run that stands still after its first rows, and at each row from there on if it is to be ended.
  private func standingStill(
    _ folder: ScratchFolder, _ more: [String] = [], isEnded: Bool
  ) throws -> RunningCommand {
    try CommandRunner.start(
      Self.run + ["out"] + more, in: folder,
      environment: try FaultySystem.environment(
        "write:20-\(isEnded ? 100_000 : 20)/1:9999", files: ".jsonl.part"))
  }

  @Test("a shard says which it is by option or launcher, and the merge has a single run's bytes")
  func launchers() throws {
    let folder = try ScratchFolder()
    let array = [
      "SLURM_ARRAY_TASK_ID": "1", "SLURM_ARRAY_TASK_COUNT": "4", "SLURM_ARRAY_TASK_MIN": "0", "SLURM_PROCID": "0",
      "SLURM_NTASKS": "1", "SLURM_JOB_ID": "7",
    ]
    expectExit(0, try evaluate(folder, ["--shard", "0/4"]))
    expectExit(0, try evaluate(folder, environment: array))
    let hole = try merge(folder)
    expectExit(7, hole, complaint: "no shards 2, 3 of 4")
    #expect(!folder.files(in: "out").contains("report.md"))
    expectExit(0, try evaluate(folder, environment: ["OMPI_COMM_WORLD_RANK": "2", "OMPI_COMM_WORLD_SIZE": "4"]))
    expectExit(0, try evaluate(folder, environment: ["JOB_COMPLETION_INDEX": "3", "LEGRAD_SHARD_COUNT": "4"]))
    expectExit(0, try merge(folder))
    try expectSingleReport(folder)
    let again = try evaluate(folder, environment: array)
    expectExit(0, again)
    #expect(again.errors.contains("finished already"))
  }

  @Test("shards that cannot be are errors of usage")
  func usage() throws {
    let folder = try ScratchFolder()
    for text in ["", "3", "/3", "3/3", "-1/3", "1/0"] {
      expectExit(2, try evaluate(folder, ["--shard=\(text)"]), complaint: "--shard")
    }
    expectExit(
      2, try evaluate(folder, ["--shard", "0/2"], environment: ["PMI_RANK": "1", "PMI_SIZE": "2"]),
      complaint: "0/2 from --shard and 1/2 from PMI_RANK")
    expectExit(2, try evaluate(folder, environment: ["LEGRAD_SHARD": ""]), complaint: "LEGRAD_SHARD")
    #expect(folder.files(in: "out").isEmpty)
  }

  @Test("killed while it works, a run goes on where it was", arguments: [SIGKILL, SIGTERM])
  func killed(signal: Int32) throws {
    let folder = try ScratchFolder()
    for shard in ["0/2", nil] {
      let options = shard.map { ["--shard", $0] } ?? []
      let running = try standingStill(folder, options, isEnded: true)
      try running.signalWhereItStandsStill(signal)
      _ = try running.wait()
      #expect(running.signal == signal)
      let part = String(
        decoding: try folder.bytes("out/shards/0-of-\(shard == nil ? 1 : 2).jsonl.part"), as: UTF8.self)
      #expect(part.count { $0 == "\n" } > 1)
      if shard == nil {
        expectExit(2, try evaluate(folder), complaint: "--resume")
        expectExit(0, try evaluate(folder, ["--resume"]))
      } else {
        expectExit(0, try evaluate(folder, options))
        expectExit(0, try evaluate(folder, ["--shard", "1/2"]))
        expectExit(0, try merge(folder))
      }
      try expectSingleReport(folder)
      try FileManager.default.removeItem(atPath: folder.path("out"))
    }
  }

  @Test("a shard that is being computed is not computed twice")
  func twiceAtOnce() throws {
    let folder = try ScratchFolder()
    let running = try standingStill(folder, ["--shard", "0/1"], isEnded: false)
    try running.waitUntilItStandsStill()
    let second = try evaluate(folder)
    kill(running.identifier, SIGCONT)
    expectExit(7, second, complaint: "shard 0/1")
    expectExit(0, try running.wait())
    try expectSingleReport(folder)
  }

  @Test("a run that differs is refused, and the message says in what")
  func changed() throws {
    let folder = try ScratchFolder()
    expectExit(0, try evaluate(folder, ["--shard", "0/2"]))
    expectExit(
      7, try evaluate(folder, ["--shard", "1/2", "--template", "a drawing of a {}"]),
      complaint: "configuration.templates: \"a photo of a {}\", not \"a drawing of a {}\"")
    expectExit(7, try evaluate(folder, ["--shard", "1/3"]), complaint: "0-of-2.jsonl")
    expectExit(7, try evaluate(folder), complaint: "0-of-2.jsonl")
  }

  @Test("where the disk is full, finished rows are kept")
  func fullDisk() throws {
    let folder = try ScratchFolder()
    // Files of at most a kilobyte. Ignored, the signal of that limit becomes the error that a full disk is.
    let script = "trap '' XFSZ; ulimit -f 1; exec \"$0\" \"$@\""
    expectExit(0, try evaluate(folder, ["--shard", "0/2"]))
    let full = try RunningCommand(
      ["-c", script, CommandRunner.binary] + Self.run + ["out", "--shard", "1/2"], in: folder, environment: [:],
      executable: "/bin/bash"
    ).wait()
    expectExit(3, full, complaint: "finished rows are kept")
    #expect(try folder.bytes("out/shards/1-of-2.jsonl.part").last == 0x0A)
    expectExit(7, try merge(folder), complaint: "shard 1/2 is unfinished")
    expectExit(0, try evaluate(folder, ["--shard", "1/2"]))
    expectExit(0, try merge(folder))
    try expectSingleReport(folder)
  }

  @Test("a folder that cannot be written is told before any work")
  func readOnly() throws {
    let folder = try ScratchFolder()
    try folder.write("", to: "file")
    for output in ["file", "file/out", "/proc/legrad"] {
      let result = try CommandRunner.run(Array(Self.run.dropLast()) + ["-o", output], in: folder)
      expectExit(3, result, complaint: output)
    }
  }

  @Test("rows of different devices are merged on request, and named")
  func devices() throws {
    let folder = try ScratchFolder()
    for index in 0..<2 { expectExit(0, try evaluate(folder, ["--shard", "\(index)/2"])) }
    let rows = String(decoding: try folder.bytes("out/shards/1-of-2.jsonl"), as: UTF8.self)
    try folder.write(rows.replacing("\"device\":\"", with: "\"device\":\"other "), to: "out/shards/1-of-2.jsonl")
    expectExit(7, try merge(folder), complaint: "--allow-mixed-devices")
    expectExit(0, try merge(folder, ["--allow-mixed-devices"]))
    #expect(String(decoding: try folder.bytes("out/report.json"), as: UTF8.self).contains("other native"))
  }
}
