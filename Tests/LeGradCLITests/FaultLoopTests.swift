import Foundation
import TestSupport
import Testing

/// The k-th call of a kind fails or comes short, for every k: a clean error and nothing half-written, from which the same
/// command goes on, or the right answer. With `LEGRAD_TEST_FAULTS=1` (`make test-faults`) for every k, otherwise for some.
@Suite struct FaultLoopTests {
  /// A command whose calls are counted.
  enum Work: String, CaseIterable, CustomTestStringConvertible {
    case explanation, evaluation, merge

    var testDescription: String { rawValue }

    fileprivate var arguments: [String] {
      let model = ["-m", GoldenCommand.model, "--device", "cpu", "--threads", "2"]
      return switch self {
      case .explanation: ["explain", GoldenCommand.image, "-p", "x", "--per-layer", "--format", "png,npy,json"] + model
      case .evaluation: Self.segmentation + ["-o", "out", "--sync", "row"] + model
      case .merge: ["merge", "out"]
      }
    }

    fileprivate static let segmentation = [
      "evaluate", "segmentation", "--dataset", Fixtures.path("evaluation/mask-folder"),
    ]

    /// The same command once more, after one that failed.
    fileprivate var again: [String] {
      switch self {
      case .explanation: arguments + ["--overwrite"]
      case .evaluation: arguments + ["--resume"]
      case .merge: arguments
      }
    }

    /// A folder as the command finds it.
    fileprivate func folder() throws -> ScratchFolder {
      let scratch = try ScratchFolder()
      guard self == .merge else { return scratch }
      let whole = try Self.evaluated.get()
      try FileManager.default.copyItem(atPath: whole.path("out"), toPath: scratch.path("out"))
      for name in scratch.files(in: "out") where name.hasPrefix("report.") {
        try FileManager.default.removeItem(atPath: scratch.path("out/" + name))
      }
      return scratch
    }

    private static let evaluated: Result<ScratchFolder, any Error> = Result {
      let scratch = try ScratchFolder()
      expectExit(
        0, try CommandRunner.run(Work.evaluation.arguments, in: scratch, environment: FaultySystem.environment()))
      return scratch
    }

    /// What comes of the command without faults, and how often it makes calls of a kind.
    fileprivate static let sound: [Work: Result<Sound, any Error>] = Dictionary(
      uniqueKeysWithValues: allCases.map { work in
        (
          work,
          Result {
            let scratch = try work.folder()
            let trace = scratch.path("trace")
            let result = try CommandRunner.run(
              work.arguments, in: scratch, environment: FaultySystem.environment(trace: trace))
            expectExit(0, result)
            let calls = Dictionary(grouping: try FaultySystem.calls(trace), by: \.kind).mapValues(\.count)
            try FileManager.default.removeItem(atPath: trace)
            return Sound(output: result.output, files: try contents(of: scratch), calls: calls)
          }
        )
      })
  }

  fileprivate struct Sound {
    let output: String
    let files: [String: [UInt8]]
    let calls: [String: Int]
  }

  struct Fault: CustomTestStringConvertible {
    let kind: String
    let error: Int32
    /// Whether the answer has to be right nevertheless.
    var isHarmless = false
    var testDescription: String {
      "\(kind): \(error == 0 ? "half of it" : unsafe String(cString: strerror(error)))"
    }
  }

  /// Interruptions and short counts are for going on; a map, threads and locks have something in their place.
  static let faults = [
    Fault(kind: "open", error: EMFILE), Fault(kind: "open", error: EIO),
    Fault(kind: "open", error: EINTR, isHarmless: true), Fault(kind: "read", error: EIO),
    Fault(kind: "read", error: EINTR, isHarmless: true), Fault(kind: "read", error: 0, isHarmless: true),
    Fault(kind: "write", error: ENOSPC), Fault(kind: "write", error: EINTR, isHarmless: true),
    Fault(kind: "write", error: 0, isHarmless: true), Fault(kind: "mmap", error: ENOMEM, isHarmless: true),
    Fault(kind: "rename", error: EIO), Fault(kind: "sync", error: EIO),
    Fault(kind: "sync", error: EINTR, isHarmless: true), Fault(kind: "memory", error: ENOMEM),
    Fault(kind: "thread", error: EAGAIN, isHarmless: true), Fault(kind: "status", error: EIO),
    Fault(kind: "close", error: EIO), Fault(kind: "cut", error: EIO),
    Fault(kind: "lock", error: ENOLCK, isHarmless: true), Fault(kind: "folder", error: ENOSPC),
  ]

  private static let isWhole = ProcessInfo.processInfo.environment["LEGRAD_TEST_FAULTS"] == "1"

  /// Every call, or the first, the last and some between them, at distances without a pattern.
  private static func chosen(of count: Int) -> [Int] {
    guard count > 0 else { return [] }
    if isWhole { return Array(1...count) }
    return Set([1, count / 3 | 1, count * 2 / 3, count].filter { $0 > 0 && $0 <= count }).sorted()
  }

  @Test(arguments: Work.allCases, faults) func aFaultIsAnErrorOrDoesNoHarm(_ work: Work, fault: Fault) throws {
    let sound = try #require(Work.sound[work]).get()
    for number in Self.chosen(of: sound.calls[fault.kind, default: 0]) {
      try check(work, fault, number, sound)
    }
  }

  private func check(_ work: Work, _ fault: Fault, _ number: Int, _ sound: Sound) throws {
    let scratch = try work.folder()
    let result = try CommandRunner.run(
      work.arguments, in: scratch,
      environment: FaultySystem.environment("\(fault.kind):\(number)-\(number)/1:\(fault.error)"))
    let place: Comment = "\(work), \(fault.testDescription), call \(number): \(result.errors)"
    var files = try contents(of: scratch)
    let temporary = files.keys.filter { $0.hasSuffix(".tmp") }
    #expect(temporary.isEmpty, place)
    if result.exitCode == 0 {
      #expect(result.output == sound.output, place)
      #expect(different(files, sound.files, fault).isEmpty, place)
      return
    }
    #expect(!fault.isHarmless, place)
    #expect([1, 2, 3, 5, 7].contains(result.exitCode), place)
    #expect(!result.complaints.isEmpty, place)
    if result.exitCode == 1, files["out/report.json"] != nil {
      // A picture that could not be read is a failed row, and said.
      #expect(result.complaints.count == 1, place)
      return
    }
    #expect(result.complaints.count == 1, place)
    // What has a name is whole.
    for (name, bytes) in files where !name.hasSuffix(".part") {
      #expect(bytes == sound.files[name], "\(name) of \(place)")
    }
    let again = try CommandRunner.run(work.again, in: scratch, environment: ["LEGRAD_CACHE": ""])
    #expect(again.exitCode == 0, "\(again.errors) after \(place)")
    files = try contents(of: scratch)
    #expect(different(files, sound.files, fault).isEmpty, place)
  }

  private func different(_ files: [String: [UInt8]], _ others: [String: [UInt8]], _ fault: Fault) -> [String] {
    Set(files.keys).union(others.keys).filter { name in
      // A report says how many threads there were.
      if fault.kind == "thread", name.hasSuffix("image_32x32.json") { return files[name] == nil }
      return files[name] != others[name]
    }
  }
}

/// All files below a folder, without what differs between two runs.
private func contents(of scratch: ScratchFolder) throws -> [String: [UInt8]] {
  var contents: [String: [UInt8]] = [:]
  for name in scratch.files(in: ".") {
    var isFolder: ObjCBool = false
    guard unsafe FileManager.default.fileExists(atPath: scratch.path(name), isDirectory: &isFolder), !isFolder.boolValue
    else {
      continue
    }
    var bytes = try scratch.bytes(name)
    if name.hasPrefix("legrad-out/"), name.hasSuffix(".json"),
      var report = try JSONSerialization.jsonObject(with: Data(bytes)) as? [String: Any]
    {
      report["timings"] = nil
      bytes = [UInt8](try JSONSerialization.data(withJSONObject: report, options: .sortedKeys))
    }
    contents[name] = bytes
  }
  return contents
}
