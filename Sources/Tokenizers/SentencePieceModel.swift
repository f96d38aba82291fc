import CSentencePiece
import Failures
import Files

/// A `spiece.model`, read and applied by the SentencePiece library.
///
/// Unchecked: the library's model is only read once it is loaded.
@safe final class SentencePieceModel: @unchecked Sendable {
  /// SigLIP's own has 0.8 MB, the largest in use 5 MB.
  private static let limit = 64 << 20

  let endID: Int32
  let unknownID: Int32
  let pieceCount: Int
  private let file: String
  private let model: OpaquePointer

  /// - Throws: as `TextFile.bytes`, `.badModel`, `.missingSpecialToken` for a model without an end token.
  init(file: String) throws(TokenizerError) {
    let bytes = try TextFile.bytes(file, limit: Self.limit)
    try SentencePieceCheck.check(bytes, file: file)
    var opened: OpaquePointer?
    var message = legrad_sentencepiece_message()
    let status = unsafe bytes.withUnsafeBufferPointer { bytes in
      unsafe legrad_sentencepiece_open(bytes.baseAddress, bytes.count, &opened, &message)
    }
    guard status == LEGRAD_SENTENCEPIECE_OK, let opened = unsafe opened else {
      throw TokenizerError(
        .badModel, file: file, expected: "a SentencePiece model", found: message.description,
        remedy: TokenizerRule.replaceFile)
    }
    unsafe model = opened
    self.file = file
    endID = unsafe legrad_sentencepiece_end_id(opened)
    unknownID = unsafe legrad_sentencepiece_unknown_id(opened)
    pieceCount = Int(unsafe legrad_sentencepiece_piece_count(opened))
    guard endID >= 0 else {
      throw TokenizerError(
        .missingSpecialToken, file: file, expected: "an end token", found: "none",
        remedy: "use the tokenizer of a SigLIP model")
    }
  }

  deinit { unsafe legrad_sentencepiece_close(model) }

  /// At most `limit` ids of UTF-8 text.
  func ids(of text: [UInt8], limit: Int) throws(TokenizerError) -> [Int32] {
    var ids = [Int32](repeating: 0, count: min(limit, 2 * text.count + 2))
    var count = 0
    var message = legrad_sentencepiece_message()
    let status = unsafe text.withUnsafeBytes { text in
      unsafe ids.withUnsafeMutableBufferPointer { ids in
        unsafe legrad_sentencepiece_encode(
          model, text.bindMemory(to: CChar.self).baseAddress, text.count, ids.baseAddress, ids.count, &count, &message)
      }
    }
    guard status == LEGRAD_SENTENCEPIECE_OK else {
      throw TokenizerError(
        .badModel, file: file, expected: "a model that splits the prompt", found: message.description,
        remedy: TokenizerRule.replaceFile)
    }
    return Array(ids.prefix(count))
  }
}

extension legrad_sentencepiece_message {
  /// The library's words.
  fileprivate var description: String {
    unsafe withUnsafeBytes(of: text) { bytes in
      unsafe String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
    }
  }
}
