import Failures
package import Files
package import LeGrad

/// Writes the rows of one shard, so that work that is done is never lost and never done twice.
///
/// A row survives the process as soon as `append` returns, and the machine as far as `RecordSync` says. A process that was
/// killed leaves a file that the next one for the same shard goes on with: it cuts off a row that was being written. A
/// finished shard is complete at once, so that a scheduler may start it again at will. While one process works at a shard,
/// a second one is refused.
package final class ShardRecorder {
  package let shard: Shard
  /// The id of the run.
  package let run: String
  /// What computed the rows that were there already.
  package let devices: Set<String>
  /// Whether all rows are there under the shard's final name.
  package private(set) var isComplete: Bool
  /// Places in the manifest whose rows are not there yet, ascending.
  package var remaining: [Int] { shard.items(of: manifest.entries.count).filter { !done.contains($0) } }

  package var folderPath: String { folder.path }

  /// Which image is being read, for the process that comes after this one. Only for whoever has the growing file.
  package let inFlight: InFlightNote

  /// Why the file system cannot refuse a second process for the shard; nil where it does.
  package var lockFault: String? { file?.lockFault }

  private let folder: RunFolder
  private let manifest: Manifest
  private var done: Set<Int>
  /// Nil once the shard is complete.
  private var file: GrowingFile?

  /// Opens or makes the shard's file.
  /// - Parameters:
  ///   - folder: the run's folder, made if it is missing. Once the first shard has pinned a run, others are refused.
  ///   - resume: goes on with an unfinished file of the whole run as one shard. A shard of several goes on without
  ///     being asked, since its scheduler starts it again with the same command.
  ///   - sync: when rows are brought to the disk.
  package init(
    folder: String, identity: RunIdentity, manifest: Manifest, leftOut: LeftOut = LeftOut(), shard: Shard, resume: Bool,
    sync: RecordSync = .everyFiveSeconds
  ) throws(LeGradError) {
    if let id = manifest.duplicate {
      throw fault(id, expected: "names that differ", found: "the same twice", remedy: "rename one")
    }
    precondition(identity.manifestHash == manifest.hash, "the identity is another manifest's")
    self.shard = shard
    run = identity.id
    self.manifest = manifest
    self.folder = RunFolder(folder)
    try self.folder.create()
    try self.folder.pin(identity, manifest, leftOut: leftOut)
    try Self.checkSplit(self.folder, shard)
    let file = try Self.open(self.folder, shard, sync)
    let path = file == nil ? self.folder.file(of: shard) : self.folder.part(of: shard)
    let existing = try Self.read(path, identity.id, shard, manifest)
    done = Set(existing?.rows.map(\.index) ?? [])
    devices = Set(existing?.rows.map(\.device) ?? [])
    isComplete = file == nil
    self.file = file
    inFlight = InFlightNote(path: self.folder.inFlight(of: shard))
    guard let file else {
      guard remaining.isEmpty, existing?.partialSize == 0 else {
        throw fault(
          path, kind: .inconsistent, expected: "all \(shard.items(of: manifest.entries.count).count) rows",
          found: "\(done.count)", remedy: "remove the file and run shard \(shard) again")
      }
      return
    }
    if shard == .whole, !resume, !done.isEmpty {
      throw fault(
        path, kind: .usage, expected: "no unfinished run", found: "\(done.count) of \(manifest.entries.count) images",
        remedy: "go on with it by \(Subject.resume), or use another output folder")
    }
    do throws(FileError) {
      try file.cut(to: existing?.wholeSize ?? 0)
      if existing == nil { try file.append(ShardFile.header(run: identity.id, shard: shard)) }
    } catch { throw LeGradError(error) }
  }

  /// Adds the row of one of the `remaining` images, in any order. On an error the rows before are kept.
  package func append(_ row: EvaluationRow) throws(LeGradError) {
    guard let file, shard.contains(row.index, of: manifest.entries.count),
      row.id.utf8.elementsEqual(manifest.entries[row.index].id.utf8), !done.contains(row.index)
    else { preconditionFailure("row \(row.index) is not one of those that remain") }
    let line = try ShardFile.line(row)
    do { try file.append(line) } catch { throw kept(error) }
    done.insert(row.index)
  }

  /// Gives the file of all rows its final name; does nothing if that is done.
  package func publish() throws(LeGradError) {
    guard let file else { return }
    precondition(remaining.isEmpty, "images remain")
    do { try file.publish(as: folder.file(of: shard)) } catch { throw kept(error) }
    self.file = nil
    isComplete = true
  }

  private func kept(_ error: FileError) -> LeGradError {
    let again: Message = shard == .whole ? "run again with \(Subject.resume)" : "run the shard again"
    return LeGradError(.input, "\(error); \(done.count) finished rows are kept: \(again) to go on")
  }

  /// The shard's growing file, for this process alone; nil if the shard is finished.
  private static func open(
    _ folder: RunFolder, _ shard: Shard, _ sync: RecordSync
  ) throws(LeGradError) -> GrowingFile? {
    if FileTree.exists(folder.file(of: shard)) { return nil }
    let part = folder.part(of: shard)
    let opened: GrowingFile?
    do { opened = try GrowingFile.open(part, sync: sync) } catch { throw LeGradError(error) }
    // Another process may have finished the shard since.
    let isFinished = FileTree.exists(folder.file(of: shard))
    guard let file = opened else {
      if isFinished { return nil }
      throw fault(
        part, kind: .inconsistent, expected: "one process for shard \(shard)", found: "another one at work",
        remedy: "wait for it or end it")
    }
    guard isFinished else { return file }
    file.remove()
    return nil
  }

  private static func read(
    _ path: String, _ run: String, _ shard: Shard, _ manifest: Manifest
  ) throws(LeGradError) -> ShardFile? {
    guard let file = try ShardFile.read(path, manifest) else { return nil }
    guard file.run == run, file.shard == shard else {
      throw fault(
        path, kind: .inconsistent, expected: "shard \(shard) of run \(run)",
        found: "shard \(file.shard) of run \(file.run)",
        remedy: "remove the file, or use another output folder")
    }
    return file
  }

  /// Shards of one folder are of one split.
  private static func checkSplit(_ folder: RunFolder, _ shard: Shard) throws(LeGradError) {
    for name in try folder.shardFiles() {
      guard let other = Shard(fileName: name), other.count != shard.count else { continue }
      throw fault(
        folder.path, kind: .inconsistent, expected: "shards of \(shard.count)", found: name,
        remedy:
          "split the run as before (\(Subject.shard), LEGRAD_SHARD, LEGRAD_SHARD_COUNT), or use another output folder")
    }
  }
}
