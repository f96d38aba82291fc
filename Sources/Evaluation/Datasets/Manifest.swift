import Failures
import Files
import ImageFiles
import LeGrad

/// What an evaluation goes through, in the order in which results are reduced.
package struct Manifest: Equatable, Sendable {
  /// One image with its ground truth.
  package struct Entry: Codable, Equatable, Sendable {
    /// Unique in the manifest.
    package let id: String
    /// Bytes that `hash` covers.
    package let byteCount: Int
    /// SHA-256 of the image and of its ground truth.
    package let hash: String
  }

  /// Sorted by the bytes of their ids.
  package let entries: [Entry]

  package init(_ entries: [Entry]) {
    self.entries = entries.sorted { $0.id.utf8.lexicographicallyPrecedes($1.id.utf8) }
  }

  /// SHA-256 of all entries in their order.
  package var hash: String {
    SHA256.hash(of: entries.lazy.flatMap { [$0.id, String($0.byteCount), $0.hash] })
  }

  /// An id that two entries have, compared by bytes; nil if all differ.
  package var duplicate: String? {
    zip(entries, entries.dropFirst()).first { $0.id.utf8.elementsEqual($1.id.utf8) }?.0.id
  }
}

extension Manifest.Entry {
  /// Part of an image or of its ground truth.
  enum Part {
    case text(String)
    /// A file's bytes. One that cannot be opened is in the hash as such, so that it is a failed row and not the end:
    /// reading the image will say why.
    case file(String)
    /// A picture's bytes, and how they are turned before they are looked at, where they are.
    case picture(String)
  }

  /// Hashes an image and its ground truth, part by part.
  /// - Throws: where the disk or the process fails and no file is to blame: which run this is cannot be told.
  init(id: String, of parts: [Part]) throws(LeGradError) {
    var hash = SHA256()
    var byteCount = 0
    for part in parts {
      switch part {
      case .text(let text):
        hash.update(Array("text \(text.utf8.count)\n\(text)".utf8))
        byteCount += text.utf8.count
      case .file(let path):
        do throws(FileError) {
          let file = try FileBytes(path: path, mapped: false)
          hash.update(Array("file \(file.size)\n".utf8))
          try unsafe file.forEachChunk(of: 0..<file.size) { chunk in
            unsafe hash.update(chunk)
            return true
          }
          byteCount += file.size
        } catch { hash.update(try Self.text(inPlaceOf: error)) }
      case .picture(let path):
        let bytes: [UInt8]
        do { bytes = try WholeFile.read(path, limit: RGBImage.defaultFileSizeLimit) } catch {
          hash.update(try Self.text(inPlaceOf: error))
          continue
        }
        hash.update(Array("file \(bytes.count)\n".utf8))
        hash.update(bytes)
        byteCount += bytes.count
        if let orientation = ExifOrientation(notedIn: bytes), orientation != .upright {
          hash.update(Array("turned \(orientation.rawValue)\n".utf8))
        }
      }
    }
    self.init(id: id, byteCount: byteCount, hash: hash.finish())
  }

  private static func text(inPlaceOf error: FileError) throws(LeGradError) -> [UInt8] {
    guard error.kind != .memory, error.rule != .unreadable else { throw LeGradError(error) }
    return Array("unreadable\n".utf8)
  }
}
