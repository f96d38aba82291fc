import Failures
import FoundationEssentials
import LeGrad
import TestSupport
import Testing

@testable import Evaluation

@Suite("Merge")
struct MergeTests {
  @Test("every number of shards gives the same bits", arguments: [1, 2, 3, 7, 40], [0, 1, 23])
  func shards(shards: Int, images: Int) throws {
    let (run, folder) = (SyntheticRun(images), try ScratchFolder())
    try run.run(folder.path, shards: shards)
    #expect(try run.bits(folder.path) == run.expectedBits)
  }

  @Test("folders of one run are merged, with rows that several have taken once")
  func folders() throws {
    let run = SyntheticRun(23)
    let (first, second) = (try ScratchFolder(), try ScratchFolder())
    for index in [0, 2] { try run.run(first.path, Shard(index: index, count: 3)!) }
    for index in [1, 2] { try run.run(second.path, Shard(index: index, count: 3)!) }
    #expect(try run.bits(first.path, second.path) == run.expectedBits)
    #expect(try run.bits(second.path, first.path + "/") == run.expectedBits)
    var other = run
    other.configuration.source = .templates("other")
    let third = try ScratchFolder()
    try other.run(third.path, .whole)
    let message = refusal(first.path, third.path)
    #expect(message.contains(third.path))
    #expect(message.contains("configuration.templates: \"other\", not \"a photo of a {}\""))
  }

  /// The message with which a merge is refused.
  private func refusal(_ folders: String...) -> String {
    let error = evaluationError { () throws(LeGradError) in _ = try Merge.read(folders) }
    #expect(error?.kind == .inconsistent)
    #expect(error?.description.contains("\n") == false)
    return error?.description ?? ""
  }

  @Test("holes: shards that are missing or unfinished are all named")
  func missing() throws {
    let (run, folder) = (SyntheticRun(23), try ScratchFolder())
    for index in [0, 5] { try run.run(folder.path, Shard(index: index, count: 9)!) }
    let recorder = try run.recorder(folder.path, Shard(index: 7, count: 9)!)
    try recorder.append(run.row(recorder.remaining[0]))
    let message = refusal(folder.path)
    #expect(message.contains("no shards 1–4, 6, 8 of 9"), "\(message)")
    #expect(message.contains("shard 7/9 is unfinished (\(folder.path)/shards/7-of-9.jsonl.part)"), "\(message)")
    let empty = try ScratchFolder()
    _ = try run.recorder(empty.path, .whole)
    try FileManager.default.removeItem(atPath: empty.path + "/shards/0-of-1.jsonl.part")
    #expect(refusal(empty.path).contains("no shard"))
  }

  @Test("files that are cut short are named, with the images they lack")
  func cut() throws {
    let (run, folder) = (SyntheticRun(23), try ScratchFolder())
    try run.run(folder.path, shards: 2)
    let file = folder.path + "/shards/1-of-2.jsonl"
    let content = try bytes(file)
    let lines = content.split(separator: 0x0A, omittingEmptySubsequences: false)
    // Rows are there last image first.
    try write(lines[...3].joined(separator: [0x0A]) + [0x0A], file)
    #expect(
      refusal(folder.path).contains(
        "1-of-2.jsonl: the file is cut short, no rows for images 1, 3, 5, 7, 9, 11, 13, 15;"))
    try write(content.dropLast(), file)
    #expect(refusal(folder.path).contains("1-of-2.jsonl: the file is cut short, no rows for images 1;"))
    try write(content + [0x7B], file)
    #expect(refusal(folder.path).contains("1-of-2.jsonl: the file is cut short;"))
    for size in [0, 10] {
      try write(content[..<size], file)
      #expect(refusal(folder.path).contains("1-of-2.jsonl: the file is cut short;"))
    }
    // A finished shard that was damaged is no finished shard.
    let again = evaluationError { () throws(LeGradError) in
      _ = try run.recorder(folder.path, Shard(index: 1, count: 2)!)
    }
    #expect(again?.kind == .inconsistent)
    #expect(again?.description.contains("remove the file") ?? false)
  }

  @Test("shards of other runs and of other splits are named")
  func foreign() throws {
    let run = SyntheticRun(23)
    let (folder, other) = (try ScratchFolder(), try ScratchFolder())
    try run.run(folder.path, shards: 3)
    var changed = run
    changed.configuration.source = .templates("other")
    try changed.run(other.path, shards: 3)
    let file = folder.path + "/shards/2-of-3.jsonl"
    let content = try bytes(file)
    try write(try bytes(other.path + "/shards/2-of-3.jsonl"), file)
    let message = refusal(folder.path)
    #expect(message.contains("2-of-3.jsonl: rows of run \(changed.identity.id), not of \(run.identity.id)"))
    try write(content, file)

    let split = try ScratchFolder()
    try run.run(split.path, shards: 4)
    try write(try bytes(split.path + "/shards/2-of-4.jsonl"), folder.path + "/shards/2-of-4.jsonl")
    let mixed = refusal(folder.path)
    #expect(mixed.contains("shards 0–2 of a split into 3"), "\(mixed)")
    #expect(mixed.contains("shards 2 of a split into 4"), "\(mixed)")
    #expect(mixed.contains("no shards 0, 1, 3 of 4"), "\(mixed)")
  }

  @Test("shards that overlap, and copies that differ, are named; equal copies are not")
  func overlap() throws {
    let (run, folder) = (SyntheticRun(23), try ScratchFolder())
    try run.run(folder.path, shards: 2)
    let (file, copy) = (folder.path + "/shards/1-of-2.jsonl", folder.path + "/shards/copy.jsonl")
    let content = try text(file)
    try write(content, copy)
    #expect(try run.bits(folder.path) == run.expectedBits)
    try write(content.replacing("\"isHit\":true", with: "\"isHit\":false", maxReplacements: 1), copy)
    #expect(refusal(folder.path).contains("copy.jsonl: other rows than elsewhere for images 21;"))
    try FileManager.default.removeItem(atPath: copy)
    try write(content + String(decoding: try ShardFile.line(run.row(4)), as: UTF8.self), file)
    #expect(refusal(folder.path).contains("expected images of shard 1/2, found image 4, another shard's"))
  }

  @Test("rows of several devices need to be allowed, and are reported")
  func devices() throws {
    let (run, folder) = (SyntheticRun(23), try ScratchFolder())
    try run.run(folder.path, Shard(index: 0, count: 2)!, device: "OpenCL: b, driver 1")
    try run.run(folder.path, Shard(index: 1, count: 2)!, device: "CPU: a")
    #expect(refusal(folder.path).contains("found CPU: a; OpenCL: b, driver 1; allow it by allowsMixedDevices"))
    let merge = try Merge.read([folder.path], allowMixedDevices: true)
    #expect(merge.devices == ["CPU: a", "OpenCL: b, driver 1"])
    #expect(merge.rows.count == 23)
  }

  @Test("rows of which some lack a method or a protocol are refused")
  func kinds() throws {
    let (run, folder) = (SyntheticRun(4), try ScratchFolder())
    let recorder = try run.recorder(folder.path, .whole)
    for index in 0..<3 { try recorder.append(run.row(index)) }
    let row = run.row(3)
    try recorder.append(
      EvaluationRow(index: 3, id: row.id, device: row.device, statistics: Array(row.statistics.dropLast())))
    try recorder.publish()
    #expect(refusal(folder.path).contains("images 0 and 3 have statistics of different kinds"))
  }

  @Test("what is no run's folder is an error of input")
  func noRun() throws {
    let folder = try ScratchFolder()
    for path in [folder.path, folder.path + "/absent"] {
      let error = evaluationError { () throws(LeGradError) in _ = try Merge.read([path]) }
      #expect(error?.kind == .input)
    }
    #expect(evaluationError { () throws(LeGradError) in _ = try Merge.read([]) }?.kind == .usage)
  }

  @Test("files of an editor or of a file system beside the shards do not matter")
  func otherFiles() throws {
    let (run, folder) = (SyntheticRun(5), try ScratchFolder())
    try run.run(folder.path, shards: 2)
    for name in [".1-of-2.jsonl.swp", ".nfs0001.jsonl", "notes.txt", "1-of-2.jsonl~"] {
      try write("?", folder.path + "/shards/" + name)
    }
    #expect(try run.bits(folder.path) == run.expectedBits)
  }
}
