import Failures
import Files
package import LeGrad

/// The folder of a run: what pins it, and its shards.
///
/// | file | content |
/// |---|---|
/// | `run.json` | the identity, written by whichever shard comes first; every other must have the same bytes |
/// | `manifest.jsonl` | the manifest, an entry a line |
/// | `left-out.json` | what the data set's folders have that is not read, if anything |
/// | `shards/1-of-3.jsonl.part` | rows of shard 1/3 as they come |
/// | `shards/1-of-3.jsonl.reading` | the image that shard 1/3 is reading, while it does; left by a process that died |
/// | `shards/1-of-3.jsonl` | all rows of shard 1/3 |
package struct RunFolder: Sendable {
  package let path: String

  /// A folder that need not be there.
  package init(_ path: String) { self.path = path }

  /// Makes the folder where it is missing and checks that files can be made in it.
  /// - Returns: the folders that were made, the outermost first.
  @discardableResult
  package func create() throws(LeGradError) -> [String] {
    do throws(FileError) {
      let made =
        try FileTree.create(folder: path, durably: true) + FileTree.create(folder: shards, durably: true)
      // A file that is made and removed says more than permissions do.
      _ = try TemporaryFile(target: shards + "/probe")
      return made
    } catch { throw LeGradError(error) }
  }

  var shards: String { FileTree.join(path, "shards") }
  func file(of shard: Shard) -> String { shards + "/\(shard.fileName)" }
  func inFlight(of shard: Shard) -> String { shards + "/\(shard.fileName).reading" }
  func part(of shard: Shard) -> String { shards + "/\(shard.fileName).part" }
  private var run: String { FileTree.join(path, "run.json") }
  private var leftOutFile: String { FileTree.join(path, "left-out.json") }
  private var manifestFile: String { FileTree.join(path, "manifest.jsonl") }

  /// Writes identity and manifest, or checks that the folder has the same, and what was left out.
  func pin(_ identity: RunIdentity, _ manifest: Manifest, leftOut: LeftOut = LeftOut()) throws(LeGradError) {
    let found = try pinned(run, identity.pinned)
    if found != identity.pinned {
      let differences = try Self.identity(run, found).differences(from: identity)
      throw Self.foreign(run, differences, remedy: "use the same everywhere, or another output folder")
    }
    let lines = try Self.lines(of: manifest)
    guard try pinned(manifestFile, lines) == lines else { throw Self.damaged(manifestFile) }
    if !leftOut.isEmpty { _ = try pinned(leftOutFile, CanonicalJSON.encode(leftOut, indented: true) ?? []) }
  }

  /// What the shard that came first left out, which changes no row.
  func leftOut() throws(LeGradError) -> LeftOut {
    let bytes: [UInt8]
    do { bytes = try WholeFile.read(leftOutFile, limit: 1 << 30) } catch {
      if error.rule == .missing { return LeftOut() }
      throw LeGradError(error)
    }
    guard let leftOut = CanonicalJSON.decode(LeftOut.self, bytes, indented: true) else {
      throw Self.damaged(leftOutFile)
    }
    return leftOut
  }

  func pinned() throws(LeGradError) -> (identity: RunIdentity, manifest: Manifest) {
    let identity = try Self.identity(run, try contents(run))
    let lines = try contents(manifestFile).split(separator: UInt8(ascii: "\n"))
    let manifest = Manifest(lines.compactMap { CanonicalJSON.decode(Manifest.Entry.self, $0) })
    guard manifest.entries.count == lines.count, manifest.hash == identity.manifestHash, manifest.duplicate == nil
    else { throw Self.damaged(manifestFile) }
    return (identity, manifest)
  }

  /// Names of the files of shards, whole ones and those that grow, sorted; hidden files and others are left out.
  func shardFiles() throws(LeGradError) -> [String] {
    try DatasetFile.names(shards).map(\.text).filter {
      !$0.hasPrefix(".") && ($0.hasSuffix(".jsonl") || $0.hasSuffix(".jsonl.part"))
    }
  }

  /// One line that says in which fields a folder's run is another.
  static func foreign(_ file: String, _ differences: [String], remedy: String) -> LeGradError {
    // All of them, which may be more than a line of a fault has room for.
    let list = differences.joined(separator: ", ")
    return LeGradError(
      .inconsistent, "\(printable(file, limit: 4_096)): expected the same run, found another: \(list); \(remedy)")
  }

  private func contents(_ file: String) throws(LeGradError) -> [UInt8] { try DatasetFile.bytes(file, limit: 1 << 30) }

  /// The bytes of `file`, which are `bytes` if nobody wrote it before.
  private func pinned(_ file: String, _ bytes: [UInt8]) throws(LeGradError) -> [UInt8] {
    if !FileTree.exists(file) {
      do throws(FileError) {
        let temporary = try TemporaryFile(target: file)
        try temporary.write(bytes)
        try temporary.commit(overwrite: false, durably: true)
      } catch { guard error.rule == .exists else { throw LeGradError(error) } }
    }
    return try contents(file)
  }

  private static func identity(_ file: String, _ bytes: [UInt8]) throws(LeGradError) -> RunIdentity {
    guard let run = CanonicalJSON.decode(PinnedRun<RunIdentity.Texts>.self, bytes, indented: true),
      run.id == run.identity.id
    else { throw damaged(file) }
    // The file is whole; what it says may be another version's.
    guard let known = CanonicalJSON.decode(PinnedRun<RunIdentity>.self, bytes, indented: true) else {
      let (configuration, version) = (run.identity.configuration, run.identity.version)
      let fields = ["protocol", "methods"].map { "\($0) \"\(configuration[$0] ?? "")\"" }
      throw fault(
        file, kind: .inconsistent, expected: "a benchmark, methods and settings that this program knows",
        found: "\(fields.joined(separator: ", ")), of legrad \(version)",
        remedy: "use the program that computed it")
    }
    return known.identity
  }

  private static func lines(of manifest: Manifest) throws(LeGradError) -> [UInt8] {
    manifest.entries.reduce(into: []) { $0 += (CanonicalJSON.encode($1) ?? []) + [UInt8(ascii: "\n")] }
  }

  private static func damaged(_ file: String) -> LeGradError {
    fault(
      file, kind: .inconsistent, expected: "the file as legrad wrote it", found: "other content",
      remedy: "use another output folder")
  }
}

private struct PinnedRun<Identity: Codable>: Codable {
  let id: String
  let identity: Identity
}

extension RunIdentity {
  fileprivate var pinned: [UInt8] { CanonicalJSON.encode(PinnedRun(id: id, identity: self), indented: true) ?? [] }
}

extension Shard {
  var fileName: String { "\(index)-of-\(count).jsonl" }

  /// The shard whose file, whole or growing, has this name.
  init?(fileName: String) {
    let stem = fileName.hasSuffix(".part") ? fileName.dropLast(5) : fileName[...]
    guard stem.hasSuffix(".jsonl"), let middle = stem.firstRange(of: "-of-"),
      let index = Self.number(stem[..<middle.lowerBound]),
      let count = Self.number(stem[middle.upperBound...].dropLast(6))
    else { return nil }
    self.init(index: index, count: count)
  }
}
