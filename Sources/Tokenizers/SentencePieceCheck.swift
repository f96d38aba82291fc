import Failures

/// What of a serialised model the library believes without looking, looked at: the kind of model, and that its
/// normalisation table leads nowhere outside, nor in circles, and that no piece is looked for for long.
enum SentencePieceCheck {
  /// Numbers of fields, from sentencepiece_model.proto.
  private enum Field {
    static let piece = 1
    static let text = 1
    static let trainer = 2
    static let normalizer = 3
    static let denormalizer = 5
    static let kind = 3
    static let table = 2
  }

  private static let unigram = 1

  static func check(_ model: [UInt8], file: String) throws(TokenizerError) {
    func failure(_ found: String) -> TokenizerError {
      TokenizerError(
        .badModel, file: file, expected: "a SentencePiece model of unigrams", found: found,
        remedy: TokenizerRule.replaceFile)
    }
    guard let fields = ProtobufMessage(model[...]) else { throw failure("bytes that are none") }
    for piece in fields.messages(Field.piece) {
      guard let piece = ProtobufMessage(piece) else { throw failure("a broken piece") }
      guard piece.messages(Field.text).allSatisfy({ $0.count <= SymbolTable.longestToken }) else {
        throw failure("one with a piece of more than \(SymbolTable.longestToken) bytes")
      }
    }
    for trainer in fields.messages(Field.trainer) {
      guard let trainer = ProtobufMessage(trainer) else { throw failure("a broken training record") }
      for kind in trainer.numbers(Field.kind) where kind != unigram { throw failure("one of another kind") }
    }
    for number in [Field.normalizer, Field.denormalizer] {
      for normalizer in fields.messages(number) {
        guard let normalizer = ProtobufMessage(normalizer) else { throw failure("a broken normalisation record") }
        for table in normalizer.messages(Field.table) where !table.isEmpty {
          guard PrecompiledCharacterMap(Array(table)) != nil else { throw failure("a broken normalisation table") }
        }
      }
    }
  }
}

/// The fields of one serialised message.
struct ProtobufMessage {
  private var numbers: [(field: Int, value: UInt64)] = []
  private var messages: [(field: Int, bytes: ArraySlice<UInt8>)] = []

  /// Nil for bytes that are no message.
  init?(_ bytes: ArraySlice<UInt8>) {
    var rest = bytes
    while !rest.isEmpty {
      guard let key = Self.number(&rest), key >> 3 > 0, key >> 3 < 1 << 29 else { return nil }
      let field = Int(key >> 3)
      switch key & 7 {
      case 0:
        guard let value = Self.number(&rest) else { return nil }
        numbers.append((field, value))
      case 1, 5:
        let count = key & 7 == 1 ? 8 : 4
        guard rest.count >= count else { return nil }
        rest = rest.dropFirst(count)
      case 2:
        guard let count = Self.number(&rest), count <= rest.count else { return nil }
        messages.append((field, rest.prefix(Int(count))))
        rest = rest.dropFirst(Int(count))
      default: return nil
      }
    }
  }

  func numbers(_ field: Int) -> [Int] {
    numbers.lazy.filter { $0.field == field }.map { Int(truncatingIfNeeded: $0.value) }
  }

  /// The bytes of fields that have a length: messages, strings, blobs.
  func messages(_ field: Int) -> [ArraySlice<UInt8>] { messages.lazy.filter { $0.field == field }.map(\.bytes) }

  /// A number in groups of seven bits, the lowest first.
  private static func number(_ bytes: inout ArraySlice<UInt8>) -> UInt64? {
    var value: UInt64 = 0
    for shift in stride(from: 0, to: 70, by: 7) {
      guard let byte = bytes.popFirst() else { return nil }
      value |= UInt64(byte & 0x7F) << UInt64(shift)
      if byte & 0x80 == 0 { return value }
    }
    return nil
  }
}
