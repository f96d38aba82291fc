/// Several files as one input: each begins with a mark and a letter, which says which of the files it is.
///
/// Lengths in front would be destroyed by nearly every mutation; a mark is found again.
enum Sections {
  static let mark = "\n====="

  /// The parts behind the marks, with the number of the file that they are of, of `count` files.
  static func split(_ bytes: [UInt8], count: Int) -> [(file: Int, bytes: [UInt8])] {
    let marks = bytes.ranges(of: Array(mark.utf8))
    return marks.enumerated().compactMap { index, range in
      let end = index + 1 < marks.count ? marks[index + 1].lowerBound : bytes.count
      guard range.upperBound < end else { return nil }
      let file = (Int(bytes[range.upperBound]) + count * 256 - Int(UInt8(ascii: "a"))) % count
      return (file, Array(bytes[(range.upperBound + 1)..<end]))
    }
  }

  /// One input of files with their numbers.
  static func joined(_ files: [(file: Int, bytes: [UInt8])]) -> [UInt8] {
    files.flatMap { Array(mark.utf8) + [UInt8(ascii: "a") + UInt8($0.file)] + $0.bytes }
  }
}
