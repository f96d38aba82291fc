import Glibc

/// A key that is told apart by its bytes, each of which is visited once.
///
/// Swift's strings are equal when they look alike, é as one scalar and as two: names that a file keeps apart would be
/// one, and to find out takes time that grows with the square of a run of combining marks, of which a stranger can
/// write any number.
package struct ByteKey<Bytes: Collection<UInt8>>: Hashable {
  package let bytes: Bytes

  package init(bytes: Bytes) { self.bytes = bytes }

  package static func == (left: Self, right: Self) -> Bool {
    // A vocabulary asks a hundred thousand times.
    let isSame = left.bytes.withContiguousStorageIfAvailable { left in
      right.bytes.withContiguousStorageIfAvailable { right in
        guard left.count == right.count else { return false }
        guard let first = left.baseAddress, let second = right.baseAddress else { return true }
        return unsafe memcmp(first, second, left.count) == 0
      }
    }
    if case .some(.some(let isSame)) = isSame { return isSame }
    return left.bytes.elementsEqual(right.bytes)
  }

  package func hash(into hasher: inout Hasher) {
    let isHashed: Void? = bytes.withContiguousStorageIfAvailable { bytes in
      unsafe hasher.combine(bytes: UnsafeRawBufferPointer(bytes))
    }
    if isHashed == nil {
      for byte in bytes { hasher.combine(byte) }
    }
    // No key is the start of another.
    hasher.combine(0xFF as UInt8)
  }
}

extension ByteKey: Comparable {
  package static func < (left: Self, right: Self) -> Bool { left.bytes.lexicographicallyPrecedes(right.bytes) }
}

extension ByteKey: Sendable where Bytes: Sendable {}

/// Text from outside, as the key of a dictionary or a member of a set.
package typealias TextKey = ByteKey<String.UTF8View>

extension TextKey {
  package init(_ text: String) { self.init(bytes: text.utf8) }

  package init(_ text: Substring) { self.init(String(text)) }

  package var text: String { String(bytes) }
}

extension ByteKey: ExpressibleByUnicodeScalarLiteral where Bytes == String.UTF8View {}

extension ByteKey: ExpressibleByExtendedGraphemeClusterLiteral where Bytes == String.UTF8View {}

extension ByteKey: ExpressibleByStringLiteral where Bytes == String.UTF8View {
  package init(stringLiteral text: String) { self.init(text) }
}

extension StringProtocol {
  /// Whether the bytes are the same.
  package func isSame(as other: some StringProtocol) -> Bool { utf8.elementsEqual(other.utf8) }

  /// Whether the first bytes are those of `start`, whatever marks follow.
  package func begins(with start: some StringProtocol) -> Bool { utf8.starts(with: start.utf8) }

  /// Whether the last bytes are those of `end`.
  package func ends(with end: some StringProtocol) -> Bool { utf8.reversed().starts(with: end.utf8.reversed()) }

  /// Whether the bytes come first, as those of another text would.
  package func precedes(_ other: some StringProtocol) -> Bool { utf8.lexicographicallyPrecedes(other.utf8) }
}
