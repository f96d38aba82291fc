import Failures
import FoundationEssentials
import Testing

@testable import Tokenizers

private let folder = fixtures + "/tokenizer-unigram"

private struct Case: Decodable {
  let text: String
  let ids: [Int32]
}

private func load(_ folder: String) throws -> SigLIPTokenizer { try SigLIPTokenizer.load(folder: folder) }

private func bytes(_ name: String) throws -> [UInt8] { Array(try Data(contentsOf: URL(filePath: folder + "/" + name))) }

/// `tokenizer.json` with one part of its text replaced.
private func edited(_ part: String, _ replacement: String) throws -> [String: [UInt8]] {
  let text = try String(contentsOf: URL(filePath: folder + "/tokenizer.json"), encoding: .utf8)
  let range = try #require(text.range(of: part), "\(part)")
  return ["tokenizer.json": Array(text.replacingCharacters(in: range, with: replacement).utf8)]
}

extension String {
  /// The first place of `part`.
  fileprivate func range(of part: String) -> Range<String.Index>? { firstRange(of: part) }

  fileprivate func replacingCharacters(in range: Range<String.Index>, with text: String) -> String {
    String(self[..<range.lowerBound]) + text + String(self[range.upperBound...])
  }
}

@Suite struct SigLIPTokenizerTests {
  /// The library on `spiece.model`, and our own segmentation on `tokenizer.json`.
  static let layouts = ["spiece.model", "tokenizer.json"]

  @Test(arguments: layouts)
  func idsEqualSentencePieces(layout: String) throws {
    let tokenizer = try withFolder([layout: bytes(layout)], load)
    let cases = try JSONDecoder().decode([Case].self, from: Data(bytes("cases.json")))
    #expect(cases.count == 23)
    for one in cases { #expect(try tokenizer.encode(one.text, contextLength: 64) == one.ids, "\(one.text)") }
    #expect(tokenizer.endID == 1)
    #expect(tokenizer.idCount == 176)
  }

  @Test(arguments: layouts)
  func longTextsEndWithTheEndToken(layout: String) throws {
    let tokenizer = try withFolder([layout: bytes(layout)], load)
    let all = try tokenizer.encode("a photo of a cat", contextLength: 6)
    for length in 1...7 {
      let kept = min(5, length - 1)
      let expected = all[..<kept] + [Int32](repeating: 1, count: length - kept)
      #expect(try tokenizer.encode("a photo of a cat", contextLength: length) == Array(expected))
    }
  }

  /// T5's tokenizers, SigLIP's relatives, have a hundred tokens more that no cleaned text contains.
  @Test(arguments: [#"["<extra_id_0>", 0.0]"#, ""]) func tokensThatNoTextContainsDoNotCount(piece: String) throws {
    var text = try String(contentsOf: URL(filePath: folder + "/tokenizer.json"), encoding: .utf8)
    text = text.replacing(#""special": true}]"#, with: #""special": true}, {"id": 176, "content": "<extra_id_0>"}]"#)
    if !piece.isEmpty { text = text.replacing(#"]], "byte_fallback""#, with: "], \(piece)], \"byte_fallback\"") }
    let tokenizer = try withFolder(["tokenizer.json": Array(text.utf8)], load)
    #expect(text.contains("extra_id"))
    #expect(tokenizer.idCount == 176)
  }

  @Test func bothSegmentationsAgreeOnAnyText() throws {
    let library = try SentencePieceModel(file: folder + "/spiece.model")
    let own = try UnigramVocabulary(document: TokenizerSettings.document(folder))
    var state: UInt64 = 5
    func random(_ bound: Int) -> Int {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return Int(state >> 33) % bound
    }
    let alphabet = Array("aaeehnorst   catdogphoto▁ñéü²½™ﬁ¨猫東кош🐱\u{301}\u{200B}ｶ".unicodeScalars)
    for _ in 0..<2000 {
      let text = String((0..<random(40)).map { _ in alphabet[random(alphabet.count)] })
      let bytes = Array(text.utf8)
      #expect(try own.ids(of: bytes) == library.ids(of: bytes, limit: 1000), "\(text)")
    }
  }

  @Test(arguments: layouts, ["abcdefghij", "in the ", "a", "\u{301}", "🐱"])
  func longTextsAreTokenized(layout: String, part: String) throws {
    let tokenizer = try withFolder([layout: bytes(layout)], load)
    let text = String(repeating: part, count: (1 << 18) / part.utf8.count)
    #expect(try tokenizer.encode(text, contextLength: 64).count == 64)
  }

  @Test func aFolderWithoutEitherFileSaysSo() throws {
    let error = #expect(throws: TokenizerError.self) { try withFolder([:], load) }
    #expect(error?.rule == .missingFiles)
    #expect(error?.description.contains("spiece.model or tokenizer.json") == true)
  }

  @Test func damagedModelsAreRefused() throws {
    let model = try bytes("spiece.model")
    var damaged = [[], Array("not a model".utf8), Array(model.dropLast(3)), Array(model.prefix(1000))]
    // A training record that says byte pairs.
    damaged.append(model + [0x12, 0x02, 0x18, 0x02])
    // A table that leads outside: 1024 bytes of units whose offset is large.
    let units = (0..<256).flatMap { _ in [0x00, 0xFF, 0xFF, 0x00] as [UInt8] }
    let table = [0x00, 0x04, 0x00, 0x00] + units + [0x00]
    let length = [UInt8(table.count & 0x7F | 0x80), UInt8(table.count >> 7)]
    let normalizer = [0x12] + length + table
    damaged.append(model + [0x1A, UInt8(normalizer.count & 0x7F | 0x80), UInt8(normalizer.count >> 7)] + normalizer)
    for (number, bytes) in damaged.enumerated() {
      let error = #expect(throws: TokenizerError.self, "\(number)") {
        try withFolder(["spiece.model": bytes], load)
      }
      #expect(error?.rule == .badModel, "\(number): \(error?.description ?? "")")
    }
  }

  @Test(arguments: [
    (#""type": "Unigram""#, #""type": "BPE""#, TokenizerRule.unsupportedModel),
    (#""byte_fallback": false"#, #""byte_fallback": true"#, .unsupportedModel),
    (#""unk_id": 2"#, #""unk_id": 500"#, .badID),
    (#""unk_id": 2"#, #""unk": 2"#, .badJSON),
    (#"["</s>", 0.0]"#, #"["</t>", 0.0]"#, .missingSpecialToken),
    (#"["</s>", 0.0]"#, #"["<pad>", 0.0]"#, .duplicateSymbol),
    (#"["</s>", 0.0]"#, #"["</s>"]"#, .unsupportedModel),
    (#"["</s>", 0.0]"#, #"["</s>", "0"]"#, .badJSON),
    (#""prepend_scheme": "always""#, #""prepend_scheme": "never""#, .unsupportedModel),
    (#""type": "Metaspace""#, #""type": "ByteLevel""#, .unsupportedModel),
    (#""precompiled_charsmap": ""#, #""precompiled_charsmap": "!"#, .unsupportedModel),
    (#""type": "Precompiled""#, #""type": "NFKC""#, .unsupportedModel),
    (#""id": 1, "content": "</s>""#, #""id": 3, "content": "</s>""#, .unsupportedModel),
  ])
  func damagedTokenizerFilesAreRefused(part: String, replacement: String, reason: TokenizerRule) throws {
    let files = try edited(part, replacement)
    let error = #expect(throws: TokenizerError.self) { try withFolder(files, load) }
    #expect(error?.rule == reason, "\(error?.description ?? "")")
  }

  @Test(
    arguments: [
      ("", []), ("TQ==", [0x4D]), ("TWE=", [0x4D, 0x61]), ("TWFu", [0x4D, 0x61, 0x6E]),
      ("TWFu+/==", [0x4D, 0x61, 0x6E, 0xFB]),
      ("T", nil), ("T===", nil), ("TQ=a", nil), ("T Q=", nil),
    ] as [(String, [UInt8]?)])
  func base64IsDecoded(text: String, bytes: [UInt8]?) { #expect(Base64.decoded(text) == bytes) }
}
