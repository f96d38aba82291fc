import Failures
package import LeGrad

/// All rows of a run, put together from its shards.
///
/// The rows are the same, bit for bit, for every number of shards and every order in which they were computed, on
/// devices of one kind.
package struct Merge: Sendable {
  package let identity: RunIdentity
  package let manifest: Manifest
  /// One for each image, in the manifest's order.
  package let rows: [EvaluationRow]

  /// What the data set's folders have that is not read.
  package let leftOut: LeftOut

  /// What computed the rows, sorted.
  package var devices: [String] { Set(rows.map(\.device)).sorted() }

  /// Reads the shards of one run.
  ///
  /// Shards that are missing, unfinished, of another run or another split, that lack rows or have others' rows, or that
  /// are there twice with different rows, are errors of kind `inconsistent` which name them. The same row twice is no
  /// error.
  /// - Parameters:
  ///   - folders: output folders of the run: one, or several where machines share no file system.
  ///   - allowMixedDevices: takes rows that different devices computed, which may differ in their last bits.
  package static func read(_ folders: [String], allowMixedDevices: Bool = false) throws(LeGradError) -> Merge {
    guard let first = folders.first else {
      throw fault("merge", kind: .usage, expected: "an output folder", found: "none", remedy: "name one")
    }
    let (identity, manifest) = try RunFolder(first).pinned()
    for folder in folders.dropFirst() {
      let differences = try RunFolder(folder).pinned().identity.differences(from: identity)
      guard differences.isEmpty else {
        throw RunFolder.foreign(folder, differences, remedy: "merge folders of one run")
      }
    }
    var shards = ShardCollection(identity, manifest)
    for folder in folders { try shards.add(RunFolder(folder)) }
    let leftOut = try folders.map { folder throws(LeGradError) in try RunFolder(folder).leftOut() }
    let merge = Merge(
      identity: identity, manifest: manifest, rows: try shards.complete(folders.joined(separator: ", ")),
      leftOut: leftOut.first { !$0.isEmpty } ?? LeftOut())
    let devices = merge.devices
    guard devices.count < 2 || allowMixedDevices else {
      throw fault(
        first, kind: .inconsistent, expected: "rows of one device", found: devices.joined(separator: "; "),
        remedy: "allow it by \(Subject.allowsMixedDevices), or run all shards on devices of one kind, all with "
          + "\(Subject.fold) or all without")
    }
    return merge
  }
}

/// Shards as they are read, with all that is wrong with them.
private struct ShardCollection {
  private let identity: RunIdentity
  private let manifest: Manifest
  private var rows: [EvaluationRow?]
  private var problems: [Message] = []
  /// Shards that were read and those that are unfinished, with a file of each.
  private var read: [Shard: String] = [:]
  private var unfinished: [Shard: String] = [:]

  init(_ identity: RunIdentity, _ manifest: Manifest) {
    self.identity = identity
    self.manifest = manifest
    rows = Array(repeating: nil, count: manifest.entries.count)
  }

  mutating func add(_ folder: RunFolder) throws(LeGradError) {
    for name in try folder.shardFiles() {
      let path = folder.shards + "/" + name
      if name.hasSuffix(".part") {
        if let shard = Shard(fileName: name) { unfinished[shard] = path }
        continue
      }
      do throws(LeGradError) {
        guard let file = try ShardFile.read(path, manifest) else {
          throw LeGradError(.inconsistent, "\(printable(path, limit: 4_096)): the file is cut short")
        }
        add(file, path)
      } catch {
        guard error.kind == .inconsistent else { throw error }
        problems.append(error.message)
        if let shard = Shard(fileName: name) { read[shard] = path }
      }
    }
  }

  private mutating func add(_ file: ShardFile, _ path: String) {
    let place = printable(path, limit: 4_096)
    guard file.run == identity.id else {
      problems.append("\(place): rows of run \(file.run), not of \(identity.id)")
      return
    }
    read[file.shard] = path
    var different: [Int] = []
    for row in file.rows {
      if let other = rows[row.index], CanonicalJSON.encode(other) != CanonicalJSON.encode(row) {
        different.append(row.index)
      }
      rows[row.index] = row
    }
    if !different.isEmpty {
      problems.append("\(place): other rows than elsewhere for images \(listed(RangeSet(numbers: different)))")
    }
    let present = Set(file.rows.map(\.index))
    let absent = file.shard.items(of: rows.count).filter { !present.contains($0) }
    if file.partialSize > 0 || !absent.isEmpty {
      let rows = absent.isEmpty ? "" : ", no rows for images \(listed(RangeSet(numbers: absent)))"
      problems.append("\(place): the file is cut short\(rows)")
    }
  }

  /// The rows in the manifest's order, if they are all there and nothing is wrong.
  func complete(_ folders: String) throws(LeGradError) -> [EvaluationRow] {
    var problems = problems
    let counts = Set(read.keys.map(\.count)).union(unfinished.keys.map(\.count)).sorted()
    for count in counts {
      let (whole, parts) = (read.keys.filter { $0.count == count }, unfinished.filter { $0.key.count == count })
      let found = RangeSet(numbers: (whole + parts.keys).map(\.index))
      if counts.count > 1 {
        problems.append("shards \(listed(found)) of a split into \(count)")
      }
      for (shard, path) in parts.sorted(by: { $0.key.index < $1.key.index }) where read[shard] == nil {
        problems.append("shard \(shard) is unfinished (\(printable(path, limit: 4_096)))")
      }
      let missing = RangeSet(0..<count).subtracting(found)
      if !missing.isEmpty { problems.append("no shards \(listed(missing)) of \(count)") }
    }
    if counts.isEmpty { problems.append("no shard") }
    let rows = rows.compactMap(\.self)
    if problems.isEmpty, let mixed = mixedStatistics(rows) { problems.append(mixed) }
    guard problems.isEmpty else {
      throw LeGradError(
        .inconsistent,
        "\(printable(folders, limit: 4_096)): expected every shard of one run once and whole, found: "
          + .joined(problems.prefix(20), separator: "; ")
          + (problems.count > 20 ? "; and \(problems.count - 20) more" : "")
          + "; run those shards again, and remove the files of other runs and splits")
    }
    return rows
  }

  /// Rows without the same statistics for the same methods cannot be reduced.
  private func mixedStatistics(_ rows: [EvaluationRow]) -> Message? {
    let whole = rows.filter { $0.failure == nil }
    // Where images are of several kinds, all have as many methods.
    let isOfOneKind = identity.configuration.benchmark.measures.count == 1
    guard let first = whole.first,
      let other = whole.first(where: {
        isOfOneKind
          ? $0.statistics.map(\.names) != first.statistics.map(\.names) : $0.statistics.count != first.statistics.count
      })
    else { return nil }
    return "images \(first.index) and \(other.index) have statistics of different kinds"
  }
}

/// Numbers as text, consecutive ones joined: `3, 7–9`; the first runs, and how many numbers more there are.
private func listed(_ numbers: RangeSet<Int>) -> String {
  let limit = 12
  let runs = numbers.ranges.prefix(limit).map { run in
    switch run.count {
    case 1: "\(run.lowerBound)"
    case 2: "\(run.lowerBound), \(run.upperBound - 1)"
    default: "\(run.lowerBound)–\(run.upperBound - 1)"
    }
  }
  let more = numbers.ranges.dropFirst(limit).reduce(0) { $0 + $1.count }
  return runs.joined(separator: ", ") + (more > 0 ? " and \(more) more" : "")
}

extension RangeSet<Int> {
  fileprivate init(numbers: [Int]) { self.init(numbers.sorted().map { $0..<$0 + 1 }) }
}
