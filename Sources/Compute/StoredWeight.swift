/// A weight where a file has it: rows of elements one after the other, little-endian, at any address.
public struct StoredWeight: Sendable {
  /// The most parts that one weight has: queries, keys and values.
  public static let maximumParts = 3

  /// What each element is.
  public let type: Precision
  /// Pieces of equally many whole rows, one over the other.
  public let parts: [any StoredBytes]

  /// - Parameters:
  ///   - type: not `bf16Split`, which no file has.
  ///   - parts: one to `maximumParts`.
  public init(type: Precision, parts: [any StoredBytes]) {
    precondition(type != .bf16Split, "a stored weight of elements in two parts")
    precondition(!parts.isEmpty && parts.count <= Self.maximumParts, "a stored weight of \(parts.count) parts")
    self.type = type
    self.parts = parts
  }
}

/// Bytes of a file that are read in place.
public protocol StoredBytes: AnyObject, Sendable {
  var count: Int { get }

  /// Where the bytes are, brought into memory; they stay there while this object lives. Nil where they cannot be read,
  /// or are no longer those that were opened.
  func bringIn() -> UnsafeRawPointer?

  /// Says that nobody will read them for a while, so that memory may go to other things.
  func letGo()
}
