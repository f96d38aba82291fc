import Files

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

    package init(id: String, byteCount: Int, hash: String) {
      self.id = id
      self.byteCount = byteCount
      self.hash = hash
    }
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
    for (entry, next) in zip(entries, entries.dropFirst()) where entry.id.utf8.elementsEqual(next.id.utf8) {
      return entry.id
    }
    return nil
  }
}
