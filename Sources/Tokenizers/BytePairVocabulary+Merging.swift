extension BytePairVocabulary {
  /// The ids of one piece of text: its bytes' symbols, the last with the end-of-word mark, merged.
  func ids(ofPiece bytes: [UInt8], order: MergeTable.Order) -> [Int32] {
    guard let last = bytes.last else { return [] }
    return merges.joined(
      bytes.dropLast().map { byteIDs[Int($0)] } + [finalByteIDs[Int(last)]], order: order)
  }
}
