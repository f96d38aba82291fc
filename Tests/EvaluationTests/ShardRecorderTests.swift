import Failures
import FoundationEssentials
import Glibc
import LeGrad
import TestSupport
import Testing

@testable import Evaluation

@Suite("Shard recorder")
struct ShardRecorderTests {
  private let third = Shard(index: 1, count: 3)!

  @Test("numbers come back bit for bit")
  func numbers() throws {
    let run = SyntheticRun(200)
    for index in run.manifest.entries.indices {
      let line = try ShardFile.line(run.row(index)).dropLast()
      let again = try #require(CanonicalJSON.decode(EvaluationRow.self, line))
      #expect(again == run.row(index))
      for (ours, theirs) in zip(again.statistics, run.row(index).statistics) {
        #expect(ours.segmentation?.averagePrecision.bitPattern == theirs.segmentation?.averagePrecision.bitPattern)
      }
    }
    for text in ["-0", "0.10", "1e0", "1E-7", " 1", "01", "0.3000000000000000444"] {
      #expect(CanonicalJSON.decode([Double].self, Array("[\(text)]".utf8)) == nil || text == "-0")
    }
    #expect(CanonicalJSON.encode([Double.nan]) == nil)
    #expect(CanonicalJSON.encode([Double.infinity]) == nil)
  }

  @Test("rows are there as soon as they are appended; the whole file has its name at the end")
  func growth() throws {
    let (run, folder) = (SyntheticRun(10), try ScratchFolder())
    let recorder = try run.recorder(folder.path, third)
    let part = folder.path + "/shards/1-of-3.jsonl.part"
    #expect(recorder.remaining == [1, 4, 7])
    for (count, index) in [4, 1, 7].enumerated() {
      #expect(try text(part).split(separator: "\n").count == count + 1)
      try recorder.append(run.row(index))
    }
    #expect(recorder.remaining == [])
    #expect(!recorder.isComplete)
    let content = try bytes(part)
    try recorder.publish()
    #expect(recorder.isComplete)
    try recorder.publish()
    #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path + "/shards") == ["1-of-3.jsonl"])
    #expect(try bytes(folder.path + "/shards/1-of-3.jsonl") == content)
    #expect(try folder.listing == ["manifest.jsonl", "run.json", "shards"])
  }

  @Test("what computed the rows that are there is known before others are added")
  func devices() throws {
    let (run, folder) = (SyntheticRun(10), try ScratchFolder())
    do {
      let recorder = try run.recorder(folder.path, third)
      #expect(recorder.devices == [] && recorder.folderPath == folder.path)
      for (index, device) in [(1, "one"), (4, "another")] { try recorder.append(run.row(index, device: device)) }
    }
    #expect(try run.recorder(folder.path, third).devices == ["one", "another"])
  }

  @Test("a finished shard is complete when it is started again, and its file is not touched")
  func requeueOfFinished() throws {
    let (run, folder) = (SyntheticRun(10), try ScratchFolder())
    try run.run(folder.path, third)
    let content = try bytes(folder.path + "/shards/1-of-3.jsonl")
    let recorder = try run.recorder(folder.path, third)
    #expect(recorder.isComplete)
    #expect(recorder.remaining == [])
    try recorder.publish()
    #expect(try bytes(folder.path + "/shards/1-of-3.jsonl") == content)
  }

  @Test("cut anywhere, the file of a killed process is gone on with, and ends as it would have")
  func cut() throws {
    let (run, folder) = (SyntheticRun(7), try ScratchFolder())
    try run.run(folder.path, third)
    let file = folder.path + "/shards/1-of-3.jsonl"
    let whole = try bytes(file)
    try FileManager.default.removeItem(atPath: file)
    let ends = whole.indices.filter { whole[$0] == 0x0A }
    let sizes = Set(ends + ends.map { $0 + 1 } + ends.map { $0 + 2 } + stride(from: 0, to: whole.count, by: 97))
    for size in sizes where size <= whole.count {
      try write(whole[..<size], file + ".part")
      let recorder = try run.recorder(folder.path, third)
      let wholeLines = whole[..<size].count { $0 == 0x0A }
      #expect(recorder.remaining.count == 2 - max(0, wholeLines - 1))
      for index in recorder.remaining.reversed() { try recorder.append(run.row(index)) }
      try recorder.publish()
      #expect(try bytes(file) == whole)
      try FileManager.default.removeItem(atPath: file)
    }
  }

  @Test("a process that is killed in the middle of a row loses that row")
  func killedInARow() async throws {
    let (run, folder) = (SyntheticRun(60), try ScratchFolder())
    let path = folder.path
    await #expect(processExitsWith: .signal(SIGXFSZ)) { [path = path as String] in
      let run = SyntheticRun(60)
      let recorder = try run.recorder(path, .whole)
      // The system writes the row up to the limit, and kills the process when it goes on.
      signal(SIGXFSZ, SIG_DFL)
      var none = sigset_t()
      unsafe pthread_sigmask(SIG_SETMASK, &none, nil)
      var limit = rlimit(rlim_cur: 10_000, rlim_max: 10_000)
      unsafe setrlimit(__rlimit_resource_t(RLIMIT_FSIZE.rawValue), &limit)
      for index in recorder.remaining { try recorder.append(run.row(index)) }
    }
    let part = path + "/shards/0-of-1.jsonl.part"
    let left = try bytes(part)
    #expect(left.count == 10_000)
    #expect(left.last != 0x0A)
    let rows = left.count { $0 == 0x0A } - 1
    #expect(rows > 5)

    let refusal = evaluationError { () throws(LeGradError) in _ = try run.recorder(path, .whole) }
    #expect(refusal?.kind == .usage)
    #expect(refusal?.description.contains("resume") ?? false)
    #expect(try bytes(part) == left)

    let recorder = try run.recorder(path, .whole, resume: true)
    #expect(recorder.remaining == Array(rows..<60))
    for index in recorder.remaining { try recorder.append(run.row(index)) }
    try recorder.publish()
    #expect(try run.bits(path) == run.expectedBits)
  }

  @Test("a full disk is an error; finished rows are kept and gone on with")
  func fullDisk() async throws {
    let (run, folder) = (SyntheticRun(60), try ScratchFolder())
    let path = folder.path
    await #expect(processExitsWith: .success) { [path = path as String] in
      let run = SyntheticRun(60)
      let recorder = try run.recorder(path, .whole)
      signal(SIGXFSZ, SIG_IGN)
      var limit = rlimit(rlim_cur: 10_000, rlim_max: 10_000)
      unsafe setrlimit(__rlimit_resource_t(RLIMIT_FSIZE.rawValue), &limit)
      var written = 0
      let error = evaluationError { () throws(LeGradError) in
        for index in recorder.remaining {
          try recorder.append(run.row(index))
          written += 1
        }
      }
      try #require(error?.kind == .input)
      try #require(error?.description.contains("\(written) finished rows are kept") ?? false)
      // What was written of the row is taken back, and it can be tried again.
      try #require(try bytes(path + "/shards/0-of-1.jsonl.part").last == 0x0A)
      try #require(recorder.remaining.count == 60 - written)
      try #require(evaluationError { () throws(LeGradError) in try recorder.append(run.row(written)) } != nil)
    }
    let recorder = try run.recorder(path, .whole, resume: true)
    #expect((1..<60).contains(recorder.remaining.count))
    for index in recorder.remaining { try recorder.append(run.row(index)) }
    try recorder.publish()
    #expect(try run.bits(path) == run.expectedBits)
  }

  @Test("one process at a time works at a shard, and the system frees it when that one is killed")
  func twiceAtOnce() async throws {
    let (run, folder) = (SyntheticRun(10), try ScratchFolder())
    let path = folder.path
    var first: ShardRecorder? = try run.recorder(path, third)
    try first?.append(run.row(4))
    // Processes of their own, since locks are a matter between processes.
    await #expect(processExitsWith: .success) { [path = path as String] in
      let error = evaluationError { () throws(LeGradError) in
        _ = try SyntheticRun(10).recorder(path, Shard(index: 1, count: 3)!)
      }
      try #require(error?.kind == .inconsistent)
      try #require(error?.description.contains("shard 1/3") ?? false)
      try SyntheticRun(10).run(path, Shard(index: 2, count: 3)!)
    }
    try first?.append(run.row(1))
    first = nil
    await #expect(processExitsWith: .signal(SIGKILL)) { [path = path as String] in
      let recorder = try SyntheticRun(10).recorder(path, Shard(index: 1, count: 3)!)
      try #require(recorder.remaining == [7])
      try recorder.append(SyntheticRun(10).row(7))
      kill(getpid(), SIGKILL)
    }
    let last = try run.recorder(path, third)
    #expect(last.remaining == [])
    try last.publish()
    await #expect(processExitsWith: .success) { [path = path as String] in
      try #require(try SyntheticRun(10).recorder(path, Shard(index: 1, count: 3)!).isComplete)
    }
    try run.run(path, Shard(index: 0, count: 3)!)
    #expect(try run.bits(path) == run.expectedBits)
  }

  @Test("many processes that start a run at once all pin the same run")
  func startTogether() async throws {
    let (run, folder) = (SyntheticRun(23), try ScratchFolder())
    let path = folder.path
    await withTaskGroup(of: Void.self) { group in
      for index in 0..<6 {
        group.addTask { [path = path as String] in
          await #expect(processExitsWith: .success) { [path = path as String, index = index as Int] in
            try SyntheticRun(23).run(path, Shard(index: index, count: 6)!)
          }
        }
      }
    }
    #expect(try run.bits(path) == run.expectedBits)
    #expect(try folder.listing == ["manifest.jsonl", "run.json", "shards"])
  }

  @Test("another run in the folder is refused, and the message names what differs")
  func anotherRun() throws {
    let (run, folder) = (SyntheticRun(10), try ScratchFolder())
    try run.run(folder.path, third)
    var changed = run
    changed.configuration.source = .templates("a picture of a {}")
    changed.configuration.correction = .init(threshold: 0.8, hash: "h")
    let error = evaluationError { () throws(LeGradError) in
      _ = try changed.recorder(folder.path, Shard(index: 0, count: 3)!)
    }
    #expect(error?.kind == .inconsistent)
    for part in [
      "configuration.templates: \"a photo of a {}\", not \"a picture of a {}\"",
      "configuration.correction: absent, not \"0.8 h\"",
    ] {
      #expect(error?.description.contains(part) ?? false, "\(error?.description ?? "")")
    }
    #expect(error?.description.contains("method") == false)
    // The same letters in other bytes are another prompt.
    var (composed, decomposed) = (SyntheticRun(10), SyntheticRun(10))
    composed.configuration.source = .templates("caf\u{E9}")
    decomposed.configuration.source = .templates("cafe\u{301}")
    #expect(composed.identity.id != decomposed.identity.id)
    #expect(composed.identity.differences(from: decomposed.identity).count == 1)
    for (name, other) in [
      ("modelHash", RunIdentity(configuration: run.configuration, modelHash: "n", manifestHash: "a", version: "1")),
      ("manifestHash", RunIdentity(configuration: run.configuration, modelHash: "m", manifestHash: "b", version: "1")),
      ("version", RunIdentity(configuration: run.configuration, modelHash: "m", manifestHash: "a", version: "2")),
    ] {
      let ours = RunIdentity(configuration: run.configuration, modelHash: "m", manifestHash: "a", version: "1")
      #expect(ours.differences(from: other).count == 1)
      #expect(ours.differences(from: other).first?.hasPrefix(name) ?? false)
      #expect(ours.id != other.id)
    }
  }

  @Test("another split in the folder is refused")
  func anotherSplit() throws {
    let (run, folder) = (SyntheticRun(10), try ScratchFolder())
    try run.run(folder.path, third)
    for shard in [Shard.whole, Shard(index: 2, count: 4)!] {
      let error = evaluationError { () throws(LeGradError) in _ = try run.recorder(folder.path, shard) }
      #expect(error?.kind == .inconsistent)
      #expect(error?.description.contains("1-of-3.jsonl") ?? false)
    }
  }

  @Test("rows of another run, and lines that are no rows, are refused by line")
  func badRows() throws {
    let (run, folder) = (SyntheticRun(10), try ScratchFolder())
    let part = folder.path + "/shards/1-of-3.jsonl.part"
    _ = try run.recorder(folder.path, third)
    let header = try text(part)
    let good = String(decoding: try ShardFile.line(run.row(4)), as: UTF8.self)
    let far = good.replacing("\"index\":4", with: "\"index\":-1")
    let cases: [(String, String)] = [
      (header.replacing(run.identity.id, with: "0123456789abcdef"), "0123456789abcdef"),
      (header.replacing("1/3", with: "0/3"), "shard 0/3"),
      (header.replacing("1/3", with: "5/3"), "line 1"),
      ("{}\n", "line 1"), ("\n", "line 1"), (header + "\n", "line 2"), (header + "{}\n", "line 2"),
      (header + good + good, "line 3: expected every image once, found image 4 twice"),
      (header + good.replacing("a device", with: "a device\",\"device\":\"b"), "line 2"),
      (header + good.replacing(":", with: ": "), "line 2"),
      (header + far, "found image -1"),
      (header + good.replacing("\"index\":4", with: "\"index\":10"), "found image 10"),
      (header + good.replacing("\"index\":4", with: "\"index\":5"), "expected image 5 to be"),
      (header + String(decoding: try ShardFile.line(run.row(2)), as: UTF8.self), "image 2, another shard's"),
      (header + good.replacing("\"labelled\":1", with: "\"labelled\":-1"), "line 2"),
      (header + good.replacing("\"labelled\":1", with: "\"labelled\":9000000000000000000"), "line 2"),
      (header + String(repeating: "[", count: 100_000) + "\n", "line 2"),
    ]
    for (content, message) in cases {
      try write(content, part)
      let error = evaluationError { () throws(LeGradError) in _ = try run.recorder(folder.path, third) }
      #expect(error?.kind == .inconsistent, "\(message)")
      #expect(error?.description.contains(message) ?? false, "\(error?.description ?? "") has not \(message)")
      #expect(try text(part) == content)
    }
    for file in ["run.json", "manifest.jsonl"] {
      let path = folder.path + "/" + file
      let content = try bytes(path)
      for damage in [content.dropLast(), content + [0x0A], [], Array("{".utf8)] {
        try write(damage, path)
        let error = evaluationError { () throws(LeGradError) in _ = try run.recorder(folder.path, third) }
        #expect(error?.kind == .inconsistent)
        #expect(error?.description.contains(file) ?? false)
      }
      try write(content, path)
    }
  }

  @Test("a folder that cannot be written is an error before any work, whoever asks")
  func readOnlyFolder() throws {
    let folder = try ScratchFolder()
    let file = try folder.write([], "file")
    // Permissions do not stop the superuser; a file in the way and a file system without files of users do.
    for path in [file, file + "/below", "/proc/legrad", "/proc/self", ""] {
      let error = evaluationError { () throws(LeGradError) in try RunFolder(path).create() }
      #expect(error?.kind == .input, "\(path)")
      let same = evaluationError { () throws(LeGradError) in _ = try SyntheticRun(3).recorder(path, .whole) }
      #expect(same == error)
    }
    guard getuid() != 0 else { return }
    unsafe chmod(folder.path, 0o500)
    defer { unsafe chmod(folder.path, 0o700) }
    let error = evaluationError { () throws(LeGradError) in try RunFolder(folder.path).create() }
    #expect(error?.kind == .input)
  }

  @Test("an image that is twice in a manifest is refused")
  func duplicateImage() throws {
    let folder = try ScratchFolder()
    let manifest = Manifest(["b", "a", "b"].map { .init(id: $0, byteCount: 0, hash: $0) })
    #expect(manifest.duplicate == "b")
    // Names are bytes here, as they are in file systems.
    #expect(Manifest(["\u{E9}", "e\u{301}"].map { .init(id: $0, byteCount: 0, hash: "") }).duplicate == nil)
    let identity = RunIdentity(
      configuration: SyntheticRun(0).configuration, modelHash: "", manifestHash: manifest.hash, version: "")
    let error = evaluationError { () throws(LeGradError) in
      _ = try ShardRecorder(
        folder: folder.path, identity: identity, manifest: manifest, shard: .whole, resume: false)
    }
    #expect(error?.kind == .input)
    #expect(try folder.listing == [])
  }
}
