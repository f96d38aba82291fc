/// The visible characters that stand for bytes in byte-pair vocabularies, and the mark at the end of a word.
enum ByteSymbols {
  static let endOfWord = "</w>"

  /// The 256 bytes in vocabulary order: first those that Latin-1 prints, then the others.
  static let order: [UInt8] =
    printableRanges.flatMap { Array($0) } + (0...255).filter { byte in !printableRanges.contains { $0 ~= byte } }

  /// The character of every byte in ``order``: itself if printable, else U+0100 and onward.
  static let characters: [String] = order.enumerated().map { index, byte in
    let printables = printableRanges.map(\.count).reduce(0, +)
    let value = index < printables ? UInt32(byte) : UInt32(256 + index - printables)
    return Unicode.Scalar(value).map { String(Character($0)) } ?? ""
  }

  private static let printableRanges: [ClosedRange<UInt8>] = [0x21...0x7E, 0xA1...0xAC, 0xAE...0xFF]
}
