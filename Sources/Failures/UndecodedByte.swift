/// How a text has a byte that is no part of UTF-8, as names of files may hold: as one of the last scalars of Unicode, which
/// are for private use. `FilePath` in target Files turns names into such texts and back; `printable` shows the byte.
package enum UndecodedByte {
  /// What a text has for `byte`, which is at least 0x80: no ASCII is ever undecoded.
  package static func scalar(_ byte: UInt8) -> Unicode.Scalar {
    Unicode.Scalar(0x10FF00 + UInt32(byte)) ?? Unicode.Scalar(byte)
  }

  /// The byte that a text has `scalar` for; nil for any other scalar.
  package static func byte(_ scalar: Unicode.Scalar) -> UInt8? {
    scalar.value >= 0x10FF80 ? UInt8(truncatingIfNeeded: scalar.value) : nil
  }

  /// Such as `\xE9`.
  package static func shown(_ byte: UInt8) -> String { "\\x" + String(byte, radix: 16, uppercase: true) }

  /// Whether there is one in `text`.
  package static func isIn(_ text: String) -> Bool {
    // The first byte of these scalars in UTF-8.
    text.utf8.contains(0xF4) && text.unicodeScalars.contains { byte($0) != nil }
  }
}
