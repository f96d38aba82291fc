import Files

/// What a process takes of the system, over time.
struct SoakRecord {
  private struct Sample {
    let memory, descriptors, threads, deviceBytes: Int
  }

  private let name: String
  private let process: String
  private let start = ContinuousClock.now
  private let duration: Duration
  private var samples: [Sample] = []

  /// Enough for medians, and few enough not to be seen in the memory.
  private static let sampleLimit = 2_000
  /// What may grow, as a share.
  private static let tolerance = 0.02

  /// - Parameter process: a folder of /proc.
  init(_ name: String, process: String, seconds: Double) {
    self.name = name
    self.process = process
    duration = .seconds(seconds)
    samples.reserveCapacity(Self.sampleLimit)
  }

  var isOver: Bool { start.duration(to: .now) >= duration }

  /// Looks at the process, unless that was done a moment ago.
  /// - Returns: whether there is one.
  @discardableResult
  mutating func sample(deviceBytes: Int?) -> Bool {
    let due = duration / Self.sampleLimit * samples.count
    guard start.duration(to: .now) >= due, samples.count < Self.sampleLimit else { return true }
    // Faults meet the one who looks, too.
    for _ in 0..<100 {
      guard let status = try? WholeFile.read("/proc/\(process)/status", limit: 1 << 16),
        let descriptors = try? FileTree.names(in: "/proc/\(process)/fd").count,
        let memory = Self.number("VmRSS:", status), let threads = Self.number("Threads:", status)
      else { continue }
      samples.append(
        Sample(memory: memory, descriptors: descriptors, threads: threads, deviceBytes: deviceBytes ?? 0))
      return true
    }
    return false
  }

  private static func number(_ name: String, _ status: [UInt8]) -> Int? {
    for line in status.split(separator: UInt8(ascii: "\n")) where line.starts(with: name.utf8) {
      return Int(String(decoding: line.dropFirst(name.utf8.count).filter { (0x30...0x39).contains($0) }, as: UTF8.self))
    }
    return nil
  }

  /// Prints a row of a Markdown table: medians of the second tenth of the time and of the last.
  /// - Returns: whether they are the same, within the tolerance where it is about memory.
  func tell(rounds: Int?, failures: [String: Int]) -> Bool {
    guard samples.count >= 20 else {
      print("| \(name) | too short |")
      return false
    }
    let tenth = samples.count / 10
    let (early, late) = (samples[tenth..<(2 * tenth)], samples[(samples.count - tenth)...])
    func median(_ part: ArraySlice<Sample>, _ key: KeyPath<Sample, Int>) -> Int {
      part.map { $0[keyPath: key] }.sorted()[part.count / 2]
    }
    var isFlat = true
    let cells = [
      (\Sample.memory, Self.tolerance), (\Sample.deviceBytes, Self.tolerance), (\Sample.descriptors, 0),
      (\Sample.threads, 0),
    ].map { key, tolerance in
      let (before, after) = (median(early, key), median(late, key))
      if Double(after) > Double(before) * (1 + tolerance) { isFlat = false }
      return "\(before) → \(after)"
    }
    let minutes = start.duration(to: .now) / .seconds(60)
    let told = failures.sorted { $0.key < $1.key }.map { "\($0.value) \($0.key)" }.joined(separator: ", ")
    print(
      "| \(name) | \(Int(minutes.rounded())) | \(rounds.map { "\($0)" } ?? "") | \(told) | "
        + cells.joined(separator: " | ") + " | \(isFlat ? "yes" : "NO") |")
    return isFlat
  }
}
