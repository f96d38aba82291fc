import Failures
import Files
import Texts

/// What stands beside a vocabulary in a folder of Hugging Face's layout: the class that read it, and its added tokens.
///
/// Read as transformers 5.24 does: tokens of “added_tokens_decoder” in tokenizer_config.json where that is there, else
/// those of added_tokens.json and, before these, of tokenizer.json. Truncation and padding that tokenizer.json keeps
/// are those of somebody's last call and say nothing of the model, so they are not read.
struct TokenizerSettings: Sendable {
  /// Such as `GemmaTokenizer`; nil where the folder does not say.
  var className: String?
  var padsLeft = false
  /// Whether a text that is too long loses its start.
  private(set) var cutsStart = false
  /// Whether the start and the end token frame a text, where the folder says so beside tokenizer.json.
  private(set) var addsStart: Bool?
  private(set) var addsEnd: Bool?
  /// What BERT's normaliser is told.
  private(set) var doLowerCase: Bool?
  private(set) var stripsAccents: Bool?
  private(set) var spacesIdeographs: Bool?
  /// Tokens with ids of their own.
  private(set) var tokens: [AddedToken] = []
  private var places: [TextKey: Int] = [:]
  /// Tokens with a part to play, by that part, such as `eos_token`; the ids are the vocabulary's.
  private var named: [String: AddedToken] = [:]  // Keys of this program

  private static let configurationName = "tokenizer_config.json"
  private static let addedName = "added_tokens.json"
  private static let specialName = "special_tokens_map.json"
  static let tokenizerName = "tokenizer.json"

  /// The largest of these files, in bytes: some hold the templates of chats.
  private static let limit = 16 << 20
  /// Scalars of one token. Texts are searched from each place for this long.
  private static let longestToken = 1_024
  private static let largestCount = 1 << 17

  private static let parts = [
    "bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token",
  ]

  /// A folder's `tokenizer.json`. CLIP's has 3.6 MB, Gemma's 34.
  static func document(_ folder: String) throws(TokenizerError) -> TokenizerJSON {
    try TokenizerJSON(
      file: FileTree.join(folder, tokenizerName), limit: 64 << 20,
      content: "“model” with its “type”, “vocab” with ids by token and “merges” with pairs")
  }

  /// No files: the tokens are the vocabulary's and the tokenizer's own.
  init() {}

  /// - Parameters:
  ///   - folder: whose files are read, as far as they are there.
  ///   - document: its tokenizer.json, where that has been read.
  init(folder: String, document: TokenizerJSON?) throws(TokenizerError) {
    func file(_ name: String, _ content: String) throws(TokenizerError) -> TokenizerJSON? {
      let path = FileTree.join(folder, name)
      guard FileTree.exists(path) else { return nil }
      return try TokenizerJSON(file: path, limit: Self.limit, content: content)
    }
    let configuration = try file(Self.configurationName, "an object of a tokenizer's settings")
    if let configuration {
      className = try configuration.optional("tokenizer_class")?.name()
      if className?.ends(with: "Fast") == true { className?.removeLast(4) }
      padsLeft = try configuration.optional("padding_side")?.name() == "left"
      cutsStart = try configuration.optional("truncation_side")?.name() == "left"
      addsStart = try configuration.optional("add_bos_token")?.boolean()
      addsEnd = try configuration.optional("add_eos_token")?.boolean()
      doLowerCase = try configuration.optional("do_lower_case")?.boolean()
      stripsAccents = try configuration.optional("strip_accents")?.boolean()
      spacesIdeographs = try configuration.optional("tokenize_chinese_chars")?.boolean()
      try readParts(configuration)
    }
    if let decoder = try configuration?.optional("added_tokens_decoder") {
      for (key, value) in try decoder.fields() {
        guard let id = Int(key) else { throw value.unexpected("an id as its key", found: quotation(key)) }
        try add(token(value, id: id), of: value)
      }
      return
    }
    if let parts = try file(Self.specialName, "an object of special tokens") { try readParts(parts) }
    if let added = try file(Self.addedName, "an object of integer ids by token") {
      let special = Set(named.values.map { TextKey($0.content) })
      for (content, value) in try added.fields() {
        let isSpecial = special.contains(TextKey(content))
        try add(
          AddedToken(content: content, id: try value.integer(), isSpecial: isSpecial, isNormalized: !isSpecial),
          of: value)
      }
    }
    for value in try document?.optional("added_tokens")?.elements() ?? [] {
      try add(token(value, id: try value.required("id").integer()), of: value)
    }
  }

  /// The content of a part's token, or what the tokenizer's class calls it.
  func content(of part: String, default standard: String) -> String { named[part]?.content ?? standard }

  /// All tokens that are found in text as they stand.
  /// - Parameters:
  ///   - parts: what the tokenizer's class calls the tokens with a part where the folder does not say.
  ///   - id: of a token of the vocabulary.
  func addedTokens(parts: [String: String], id: (String) -> Int32?) -> [AddedToken] {  // Keys of this program
    var result = tokens
    var seen = Set(places.keys)
    for (part, standard) in parts.sorted(by: { $0.key < $1.key }) {
      var token = named[part] ?? AddedToken(content: standard, id: 0, isSpecial: true, isNormalized: false)
      guard seen.insert(TextKey(token.content)).inserted, let id = id(token.content) else { continue }
      token.id = Int(id)
      result.append(token)
    }
    return result
  }

  private mutating func readParts(_ object: TokenizerJSON) throws(TokenizerError) {
    for part in Self.parts {
      guard let value = try object.optional(part) else { continue }
      if let content = value.text {
        named[part] = AddedToken(content: content, id: 0, isSpecial: true, isNormalized: false)
      } else {
        var token = try token(value, id: 0)
        token.isSpecial = true
        named[part] = token
      }
    }
  }

  private func token(_ value: TokenizerJSON, id: Int) throws(TokenizerError) -> AddedToken {
    func flag(_ name: String) throws(TokenizerError) -> Bool? { try value.optional(name)?.boolean() }
    let isSpecial = try flag("special") ?? false
    return AddedToken(
      content: try value.required("content").string(), id: id, isSpecial: isSpecial,
      isNormalized: try flag("normalized") ?? !isSpecial, isSingleWord: try flag("single_word") ?? false,
      takesSpaceBefore: try flag("lstrip") ?? false, takesSpaceBehind: try flag("rstrip") ?? false)
  }

  private mutating func add(_ token: AddedToken, of value: TokenizerJSON) throws(TokenizerError) {
    guard (0..<SymbolTable.idLimit).contains(token.id) else {
      throw value.fault(
        .badID, expected: "token ids in 0..<\(SymbolTable.idLimit)",
        found: "\(token.id) for \(quotation(token.content))")
    }
    guard token.content.unicodeScalars.count <= Self.longestToken, tokens.count < Self.largestCount else {
      throw value.unexpected(
        "at most \(Self.largestCount) added tokens of at most \(Self.longestToken) characters", found: "more")
    }
    if let known = places[TextKey(token.content)] {
      tokens[known] = token
    } else {
      places[TextKey(token.content)] = tokens.count
      tokens.append(token)
    }
  }
}
