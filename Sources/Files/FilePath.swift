import Failures

/// The path or the name of a file as the system has it: bytes, in no encoding. Names that look alike (é as one scalar or as
/// two) are two files, and Swift's strings would be equal; so whatever files are found by is this type.
///
/// `text` carries every path through what knows texts alone, and comes back as the same path.
package struct FilePath: Hashable, Sendable {
  package let bytes: [UInt8]

  package init(bytes: some Sequence<UInt8>) { self.bytes = Array(bytes) }

  /// The path that `text` is the text of.
  package init(_ text: String) {
    guard UndecodedByte.isIn(text) else {
      bytes = Array(text.utf8)
      return
    }
    bytes = text.unicodeScalars.flatMap { scalar in UndecodedByte.byte(scalar).map { [$0] } ?? Array("\(scalar)".utf8) }
  }

  /// The bytes before the zero at their end.
  package init(cString: UnsafePointer<CChar>) {
    var bytes: [UInt8] = []
    var place = unsafe cString
    while unsafe place.pointee != 0 {
      unsafe bytes.append(UInt8(bitPattern: place.pointee))
      unsafe place += 1
    }
    self.bytes = bytes
  }

  /// The path as a text that no other path has: bytes that are not UTF-8 are scalars of their own (`UndecodedByte`).
  package var text: String {
    if let text = String(validating: bytes, as: UTF8.self), !UndecodedByte.isIn(text) { return text }
    var scalars = String.UnicodeScalarView()
    var rest = bytes[...]
    while let first = rest.first {
      let character = (1...4).lazy.compactMap { String(validating: rest.prefix($0), as: UTF8.self) }.first
      if let character, !UndecodedByte.isIn(character) {
        scalars.append(contentsOf: character.unicodeScalars)
        rest = rest.dropFirst(character.utf8.count)
      } else {
        scalars.append(UndecodedByte.scalar(first))
        rest = rest.dropFirst()
      }
    }
    return String(scalars)
  }

  private static let slash = UInt8(ascii: "/")
  private static let dot = UInt8(ascii: ".")

  /// What is between slashes.
  package var parts: [FilePath] { bytes.split(separator: Self.slash).map { FilePath(bytes: $0) } }

  /// The last part; the whole path where there is none.
  package var name: FilePath { parts.last ?? self }

  /// The name without its ending; a name that begins with its only dot has none.
  package var stem: FilePath {
    let name = name.bytes
    guard let dot = name.lastIndex(of: Self.dot), dot > 0 else { return FilePath(bytes: name) }
    return FilePath(bytes: name[..<dot])
  }

  /// What follows the name's last dot, in lower case and fit to be shown; nil without a dot.
  package var ending: String? {
    let name = name.bytes
    return name.lastIndex(of: Self.dot).map { FilePath(bytes: name[($0 + 1)...]).description.lowercased() }
  }

  /// Whether the name begins with a dot.
  package var isHidden: Bool { name.bytes.first == Self.dot }
}

extension FilePath: Comparable {
  /// The order of the bytes.
  package static func < (left: FilePath, right: FilePath) -> Bool { left.bytes.lexicographicallyPrecedes(right.bytes) }
}

extension FilePath: CustomStringConvertible, ExpressibleByStringLiteral {
  package init(stringLiteral text: String) { self.init(text) }

  /// The path as people read it: `caf\xE9.jpg`.
  package var description: String { text.withUndecodedBytesShown }
}

extension String {
  /// The text of a path as people read it.
  package var withUndecodedBytesShown: String {
    guard UndecodedByte.isIn(self) else { return self }
    return unicodeScalars.map { UndecodedByte.byte($0).map(UndecodedByte.shown) ?? "\($0)" }.joined()
  }

  /// The path that the text stands for, as the system's calls take it.
  package var fileSystemBytes: [CChar] { FilePath(self).bytes.map { CChar(bitPattern: $0) } + [0] }
}
