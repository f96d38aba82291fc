import Files

/// What an evaluation goes through, in the order in which results are reduced.
public struct Manifest: Equatable, Sendable {
  /// One image with its ground truth.
  public struct Entry: Codable, Equatable, Sendable {
    /// Unique in the manifest.
    public let id: String
    /// Bytes that `hash` covers.
    public let byteCount: Int
    /// SHA-256 of the image and of its ground truth.
    public let hash: String

    public init(id: String, byteCount: Int, hash: String) {
      self.id = id
      self.byteCount = byteCount
      self.hash = hash
    }
  }

  /// Sorted by the bytes of their ids.
  public let entries: [Entry]

  public init(_ entries: [Entry]) {
    self.entries = entries.sorted { $0.id.utf8.lexicographicallyPrecedes($1.id.utf8) }
  }

  /// SHA-256 of all entries in their order.
  public var hash: String {
    SHA256.hash(of: entries.lazy.flatMap { [$0.id, String($0.byteCount), $0.hash] })
  }

  /// An id that two entries have, compared by bytes; nil if all differ.
  public var duplicate: String? {
    for (entry, next) in zip(entries, entries.dropFirst()) where entry.id.utf8.elementsEqual(next.id.utf8) {
      return entry.id
    }
    return nil
  }
}
