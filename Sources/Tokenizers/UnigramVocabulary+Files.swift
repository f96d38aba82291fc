import Failures
import Texts

extension UnigramVocabulary {
  /// More than any vocabulary in use, which have up to 256,000.
  private static let largestCount = 1 << 24
  private static let endToken = "</s>"

  /// Reads a `tokenizer.json` of unigrams, as far as it says what SentencePiece does.
  init(document: TokenizerJSON) throws(TokenizerError) {
    let file = document.file
    let reader = UnigramReader(file: file)
    let model = try document.required("model")
    try reader.require(model.optional("type")?.name(), "Unigram", at: "model.type")
    if try model.optional("byte_fallback")?.boolean() == true {
      throw reader.unsupported("model.byte_fallback", expected: "false", found: "true")
    }
    var pieces: [(text: String, score: Float)] = []
    var ids: [TextKey: Int] = [:]
    for element in try model.required("vocab").elements() {
      let pair = try element.elements()
      guard pair.count == 2 else { throw reader.unsupported("model.vocab", expected: "pairs", found: "\(pair.count)") }
      let text = try pair[0].string()
      guard text.utf8.count <= SymbolTable.longestToken else {
        throw reader.unsupported(
          "model.vocab", expected: "pieces of at most \(SymbolTable.longestToken) bytes", found: "\(text.utf8.count)")
      }
      guard !text.isEmpty, ids.updateValue(pieces.count, forKey: TextKey(text)) == nil else {
        throw TokenizerError(
          .duplicateSymbol, file: file, expected: "different pieces in “model.vocab”",
          found: "\(quotation(text)) again as id \(pieces.count)", remedy: TokenizerRule.replaceFile)
      }
      pieces.append((text, Float(try pair[1].double())))
    }
    guard pieces.count <= Self.largestCount, let endID = ids[TextKey(Self.endToken)] else {
      throw TokenizerError(
        .missingSpecialToken, file: file, expected: "\(Self.endToken) in “model.vocab”", found: "none",
        remedy: "use the tokenizer of a SigLIP model")
    }
    let unknownID = try model.required("unk_id").integer()
    guard pieces.indices.contains(unknownID) else {
      throw TokenizerError(
        .badID, file: file, expected: "“model.unk_id” from 0 to \(pieces.count - 1)", found: "\(unknownID)",
        remedy: TokenizerRule.replaceFile)
    }
    try reader.checkSplitting(document.optional("pre_tokenizer"))
    var controls: Set = [endID]
    for token in try document.optional("added_tokens")?.elements() ?? [] {
      let id = try token.required("id").integer()
      let content = try token.required("content").string()
      // Those behind the pieces are found in text before it is split.
      guard pieces.indices.contains(id) else { continue }
      guard TextKey(pieces[id].text) == TextKey(content) else {
        throw reader.unsupported("added_tokens", expected: "tokens of “model.vocab”", found: "id \(id)")
      }
      controls.insert(id)
    }
    self.init(
      pieces: pieces, unknownID: unknownID, endID: endID, controls: controls,
      characterMap: try reader.characterMap(document.optional("normalizer")))
  }
}

/// The parts of a `tokenizer.json` around the model; anything that is not what SentencePiece does is refused.
private struct UnigramReader {
  let file: String

  func unsupported(_ place: String, expected: String, found: String) -> TokenizerError {
    TokenizerError(
      .unsupportedModel, file: file, expected: "“\(place)” \(expected)", found: found,
      remedy: TokenizerRule.giveEmbeddings)
  }

  func require(_ found: String?, _ expected: String, at place: String) throws(TokenizerError) {
    guard found != expected else { return }
    throw unsupported(place, expected: "“\(expected)”", found: found.map(quotation) ?? "none")
  }

  /// Words are separated by white space and marked by `▁` in front.
  func checkSplitting(_ splitter: TokenizerJSON?) throws(TokenizerError) {
    let expected = "Metaspace, alone or after WhitespaceSplit"
    guard let splitter else { throw unsupported("pre_tokenizer", expected: expected, found: "none") }
    var steps = [splitter]
    if try splitter.required("type").name() == "Sequence" {
      steps = try splitter.required("pretokenizers").elements()
    }
    var isMarked = false
    for step in steps {
      switch try step.required("type").name() {
      case "WhitespaceSplit" where !isMarked: break
      case "Metaspace" where !isMarked:
        try require(step.optional("replacement")?.name(), "\u{2581}", at: "pre_tokenizer.replacement")
        if let scheme = try step.optional("prepend_scheme")?.name() {
          try require(scheme, "always", at: "pre_tokenizer.prepend_scheme")
        } else if try step.optional("add_prefix_space")?.boolean() == false {
          throw unsupported("pre_tokenizer.add_prefix_space", expected: "true", found: "false")
        }
        isMarked = true
      case let other: throw unsupported("pre_tokenizer", expected: expected, found: quotation(other))
      }
    }
    guard isMarked else { throw unsupported("pre_tokenizer", expected: expected, found: "no Metaspace") }
  }

  /// The table of a `Precompiled` normaliser. What the text's cleaning or the marking of spaces does anyway may stand
  /// beside it.
  func characterMap(_ normalizer: TokenizerJSON?) throws(TokenizerError) -> PrecompiledCharacterMap? {
    guard let normalizer else { return nil }
    var steps = [normalizer]
    if try normalizer.required("type").name() == "Sequence" {
      steps = try normalizer.required("normalizers").elements()
    }
    var map: PrecompiledCharacterMap?
    for step in steps {
      switch try step.required("type").name() {
      case "Precompiled" where map == nil:
        let text = try step.required("precompiled_charsmap").string()
        guard let blob = Base64.decoded(text), let table = PrecompiledCharacterMap(blob) else {
          throw unsupported("normalizer.precompiled_charsmap", expected: "a table in base 64", found: "another text")
        }
        map = table
      case "Strip": break
      case "Lowercase" where map == nil: break
      case "Replace" where try step.required("pattern").optional("Regex")?.name() == " {2,}": break
      case let other:
        throw unsupported("normalizer", expected: "Precompiled, Lowercase, Strip or spaces", found: quotation(other))
      }
    }
    return map
  }
}

/// RFC 4648's base 64, without line breaks.
enum Base64 {
  /// Nil for text that is none.
  static func decoded(_ text: String) -> [UInt8]? {
    let digits = Array(text.utf8)
    guard digits.count % 4 == 0 else { return nil }
    let padding = digits.suffix(2).count { $0 == UInt8(ascii: "=") }
    var bytes: [UInt8] = []
    bytes.reserveCapacity(digits.count / 4 * 3)
    var bits: UInt32 = 0
    for (index, digit) in digits.enumerated() {
      let isPadding = index >= digits.count - padding
      guard let value = isPadding ? (digit == UInt8(ascii: "=") ? 0 : nil) : value(of: digit) else { return nil }
      bits = bits << 6 | UInt32(value)
      if index % 4 == 3 {
        bytes += [UInt8(bits >> 16 & 0xFF), UInt8(bits >> 8 & 0xFF), UInt8(bits & 0xFF)]
      }
    }
    return bytes.dropLast(padding)
  }

  private static func value(of digit: UInt8) -> UInt8? {
    switch digit {
    case UInt8(ascii: "A")...UInt8(ascii: "Z"): digit - UInt8(ascii: "A")
    case UInt8(ascii: "a")...UInt8(ascii: "z"): digit - UInt8(ascii: "a") + 26
    case UInt8(ascii: "0")...UInt8(ascii: "9"): digit - UInt8(ascii: "0") + 52
    case UInt8(ascii: "+"): 62
    case UInt8(ascii: "/"): 63
    default: nil
    }
  }
}
