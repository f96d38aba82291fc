import Failures

/// What a `tokenizer.json` puts around a text.
struct TextFrame: Sendable {
  private(set) var prefix: [String] = []
  private(set) var suffix: [String] = []

  init(prefix: [String], suffix: [String]) {
    self.prefix = prefix
    self.suffix = suffix
  }

  /// Reads “post_processor”; nothing frames a text where there is none.
  /// - Throws: `.unsupportedModel` for one that is no template, or a pair of start and end tokens.
  init(_ document: TokenizerJSON) throws(TokenizerError) {
    guard let processor = try document.optional("post_processor") else { return }
    switch try processor.required("type").name() {
    case "TemplateProcessing":
      var isBehind = false
      for item in try processor.required("single").elements() {
        if try item.optional("Sequence") != nil {
          isBehind = true
        } else {
          let token = try item.required("SpecialToken").required("id").string()
          if isBehind { suffix.append(token) } else { prefix.append(token) }
        }
      }
      guard isBehind, prefix.count + suffix.count <= 8 else {
        throw processor.unexpected("a text between at most 8 special tokens in “single”", found: "another template")
      }
    case "BertProcessing", "RobertaProcessing":
      func token(_ key: String) throws(TokenizerError) -> String {
        guard let first = try processor.required(key).elements().first else {
          throw processor.unexpected("a token and its id as “\(key)”", found: "an empty list")
        }
        return try first.string()
      }
      prefix = [try token("cls")]
      suffix = [try token("sep")]
    case let other:
      throw TokenizerError(
        .unsupportedModel, file: document.file, expected: "“post_processor.type” “TemplateProcessing”",
        found: quotation(other), remedy: TokenizerRule.giveEmbeddings)
    }
  }

  /// The ids of the tokens.
  /// - Parameter sides: where texts are padded and cut.
  func framing(
    padding: Int32, sides: TokenizerSettings, file: String, id: (String) -> Int32?
  ) throws(TokenizerError) -> Framing {
    func ids(_ tokens: [String]) throws(TokenizerError) -> [Int32] {
      var ids: [Int32] = []
      for token in tokens {
        guard let id = id(token) else {
          throw TokenizerError(
            .missingSpecialToken, file: file, expected: "the token \(quotation(token)), which frames texts",
            found: "none", remedy: TokenizerRule.replaceFile)
        }
        ids.append(id)
      }
      return ids
    }
    return Framing(
      prefix: try ids(prefix), suffix: try ids(suffix), padding: padding, padsLeft: sides.padsLeft,
      cutsStart: sides.cutsStart)
  }
}
