import Failures
import Files
import LeGrad

/// Rows of one shard as its file has them: a line that names run and shard, then a line per row in any order. Every
/// line is exactly what this program writes, or the file is refused.
struct ShardFile {
  let run: String
  let shard: Shard
  private(set) var rows: [EvaluationRow] = []
  /// Bytes of all whole lines.
  private(set) var wholeSize: Int
  /// Bytes after the last whole line, of a row that was being written when the process was killed.
  private(set) var partialSize = 0

  private struct Header: Codable {
    let run: String
    let shard: String
  }

  /// A row takes some hundred bytes for each method.
  private static let maximumLine = 16 << 20

  /// The first line of a file, line end included.
  static func header(run: String, shard: Shard) -> [UInt8] {
    (CanonicalJSON.encode(Header(run: run, shard: shard.description)) ?? []) + [UInt8(ascii: "\n")]
  }

  /// A row as a line, line end included.
  static func line(_ row: EvaluationRow) throws(LeGradError) -> [UInt8] {
    // What cannot be read again would stop whoever resumes or merges.
    guard let line = CanonicalJSON.encode(row), CanonicalJSON.decode(EvaluationRow.self, line) != nil else {
      throw fault(
        row.id, kind: .numerical, expected: "finite statistics within their ranges", found: "others",
        remedy: "report this image and model")
    }
    return line + [UInt8(ascii: "\n")]
  }

  /// Reads a file; nil if it ends before the first line does.
  static func read(_ path: String, _ manifest: Manifest) throws(LeGradError) -> ShardFile? {
    var file: ShardFile?
    var failure: LeGradError?
    var line: [UInt8] = []
    var seen: Set<Int> = []
    do throws(FileError) {
      let bytes = try FileBytes(path: path, mapped: false)
      try unsafe bytes.forEachChunk(of: 0..<bytes.size) { chunk in
        do throws(LeGradError) {
          var start = 0
          while let end = unsafe chunk[start...].firstIndex(of: UInt8(ascii: "\n")) {
            unsafe line.append(contentsOf: chunk[start..<end])
            try take(line, path, manifest, &file, &seen)
            line.removeAll(keepingCapacity: true)
            start = end + 1
          }
          unsafe line.append(contentsOf: chunk[start...])
          guard line.count <= maximumLine else {
            throw damaged(path, file, expected: "rows of at most \(maximumLine) bytes", found: "a longer one")
          }
        } catch { failure = error }
        return failure == nil
      }
    } catch { throw LeGradError(error) }
    if let failure { throw failure }
    file?.partialSize = line.count
    return file
  }

  private static func take(
    _ line: [UInt8], _ path: String, _ manifest: Manifest, _ file: inout ShardFile?, _ seen: inout Set<Int>
  ) throws(LeGradError) {
    guard file != nil else {
      guard let header = CanonicalJSON.decode(Header.self, line), let shard = Shard(argument: header.shard),
        shard.description == header.shard
      else { throw damaged(path, nil, expected: "the name of its run and shard", found: "something else") }
      file = ShardFile(run: header.run, shard: shard, wholeSize: line.count + 1)
      return
    }
    guard let shard = file?.shard, let row = CanonicalJSON.decode(EvaluationRow.self, line) else {
      throw damaged(path, file, expected: "a row as legrad writes it", found: "something else")
    }
    guard manifest.entries.indices.contains(row.index) else {
      throw damaged(path, file, expected: "one of \(manifest.entries.count) images", found: "image \(row.index)")
    }
    let id = manifest.entries[row.index].id
    guard row.id.utf8.elementsEqual(id.utf8) else {
      throw damaged(path, file, expected: "image \(row.index) to be \(id)", found: row.id)
    }
    guard shard.contains(row.index, of: manifest.entries.count) else {
      throw damaged(path, file, expected: "images of shard \(shard)", found: "image \(row.index), another shard's")
    }
    guard seen.insert(row.index).inserted else {
      throw damaged(path, file, expected: "every image once", found: "image \(row.index) twice")
    }
    guard row.failure == nil || row.statistics.isEmpty else {
      throw damaged(path, file, expected: "a failure or statistics", found: "both")
    }
    file?.rows.append(row)
    file?.wholeSize += line.count + 1
  }

  private static func damaged(_ path: String, _ file: ShardFile?, expected: String, found: String) -> LeGradError {
    fault(
      path, "line \((file?.rows.count ?? -1) + 2)", kind: .inconsistent, expected: expected, found: found,
      remedy: "remove the file and run its shard again")
  }
}
