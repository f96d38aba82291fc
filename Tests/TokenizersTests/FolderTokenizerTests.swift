import Failures
import FoundationEssentials
import Testing

@testable import Tokenizers

private let folder = fixtures + "/tokenizer-libraries"

private struct Case: Decodable {
  let text: String
  let ids: [Int32]
}

private func bytes(_ path: String) throws -> [UInt8] { Array(try Data(contentsOf: URL(filePath: folder + "/" + path))) }

private func text(_ path: String) throws -> String { String(decoding: try bytes(path), as: UTF8.self) }

private let bert = TokenizerConvention.openCLIPNamed(.whitespace, stripsSeparator: true)

@Suite struct FolderTokenizerTests {
  /// The tokenizers and answers of the golden SigLIP 2 folders: the same file under three cleanings.
  @Test(arguments: [
    ("siglip2", "gemma", "GemmaTokenizer", TokenizerConvention.siglip),
    ("siglip2-naflex", "gemma-lower", "Siglip2Tokenizer", .siglip),
    ("siglip2-naflex", "gemma", "GemmaTokenizer", .siglip2),
    ("siglip2-openclip", "gemma", "GemmaTokenizer", .openCLIPNamed(.canonicalize, stripsSeparator: false)),
  ])
  func gemmaReadsAsTheFolderSays(
    answers: String, file: String, className: String, convention: TokenizerConvention
  ) throws {
    let files = [
      "tokenizer.json": try bytes("golden/\(file).json"),
      "tokenizer_config.json": Array(#"{"tokenizer_class":"\#(className)","padding_side":"right"}"#.utf8),
    ]
    let tokenizer = try withFolder(files) { try folderTokenizer($0, convention) }
    let cases = try JSONDecoder().decode([Case].self, from: Data(bytes("golden/\(answers).json")))
    #expect(cases.count == 10)
    for one in cases { #expect(try tokenizer.encode(one.text, contextLength: 16) == one.ids, "\(one.text)") }
    #expect(tokenizer.idCount == 400)
    let long = try tokenizer.tokenize(String(repeating: "a ", count: 40), contextLength: 16)
    #expect(long.tokens == 16 && long.cut > 20 && long.ids.last == 1)
  }

  @Test func whatIsLeftOutIsCounted() throws {
    let clip = try fixtureTokenizer()
    let all = clip.ids(of: "a photo of a cat").count
    for length in 2...(all + 4) {
      let prompt = clip.tokenize("a photo of a cat", contextLength: length)
      #expect(prompt.tokens == min(length, all + 2))
      #expect(prompt.cut == max(0, all + 2 - length))
      #expect(prompt.ids.count == length)
    }
    let words = try folderTokenizer(folder + "/bert-openclip", bert)
    let prompt = try words.tokenize("a photo of a cat", contextLength: 4)
    #expect(prompt.tokens == 4 && prompt.cut == 3)
    #expect(prompt.ids.last == 0)
    #expect(Framing(prefix: [1], suffix: [2], padding: 0).framed([5, 6], contextLength: 1).ids == [1])
    #expect(
      Framing(prefix: [], suffix: [2], padding: 9, padsLeft: true).framed([5], contextLength: 4).ids == [9, 9, 5, 2])
  }

  /// A text's last call is kept in tokenizer.json, and is not the model's.
  @Test func truncationOfAnEarlierCallDoesNotMatter() throws {
    #expect(try text("clip/tokenizer.json").contains(#""max_length": 7"#))
    #expect(try text("gemma/tokenizer.json").contains(#""max_length": 7"#))
  }

  /// What `tokenizers` makes of each character.
  @Test func bertTellsCharactersApart() throws {
    struct Ranges: Decodable {
      let removed, accents, marks, spaces: [[UInt32]]
    }
    let ranges = try JSONDecoder().decode(Ranges.self, from: Data(bytes("bert-characters.json")))
    func set(_ ranges: [[UInt32]]) -> Set<UInt32> { Set(ranges.flatMap { Array($0[0]...$0[1]) }) }
    let (removed, accents, marks) = (set(ranges.removed), set(ranges.accents), set(ranges.marks))
    let words = BertWords(TokenizerSettings())
    var different: [UInt32] = []
    for value in UInt32(0)..<0x11_0000 {
      guard let scalar = Unicode.Scalar(value) else { continue }
      let text = words.normalized([scalar])
      let isGone = removed.contains(value) || accents.contains(value)
      let isMark = BertWords.split(["a", scalar, "b"]).count == 3
      if text.isEmpty != isGone || isMark != marks.contains(value) { different.append(value) }
    }
    #expect(different == [])
  }

  @Test func openCLIPsSigLIPFindsAddedTokens() throws {
    let convention = TokenizerConvention.openCLIPNamed(.canonicalize, stripsSeparator: false)
    var files: [String: [UInt8]] = [:]
    for name in ["spiece.model", "tokenizer.json"] {
      files[name] = Array(try Data(contentsOf: URL(filePath: "\(fixtures)/tokenizer-unigram/\(name)")))
    }
    let added = Array(#"{"<cat-toy>": 176}"#.utf8)
    for layout in ["spiece.model", "tokenizer.json"] {
      let plain = try withFolder([layout: files[layout] ?? []]) { try folderTokenizer($0, convention) }
      let tokenizer = try withFolder([layout: files[layout] ?? [], "added_tokens.json": added]) {
        try folderTokenizer($0, convention)
      }
      #expect(tokenizer.idCount == 177)
      let (left, right) = (
        try plain.tokenize("a photo of a", contextLength: 32), try plain.tokenize("cat", contextLength: 32)
      )
      let both = try tokenizer.encode("a photo of a <cat-toy> cat", contextLength: 32)
      let expected = left.ids.prefix(left.tokens - 1) + [176] + right.ids.prefix(right.tokens)
      #expect(Array(both.prefix(expected.count)) == Array(expected), "\(layout)")
      #expect(try tokenizer.encode("a cattoy", contextLength: 32) == plain.encode("a cattoy", contextLength: 32))
    }
  }

  @Test(arguments: [
    (#""type": "BPE""#, #""type": "WordLevel""#, TokenizerRule.unsupportedModel, "“WordLevel”"),
    (#""unk_token": "<unk>""#, #""unk_token": "<unq>""#, .missingSpecialToken, "“<unq>”"),
    (#""continuing_subword_prefix": null"#, #""continuing_subword_prefix": "@""#, .unsupportedModel, "“@”"),
    (#""ignore_merges": false"#, #""ignore_merges": true"#, .unsupportedModel, "ignore_merges"),
    (#""<pad>": 0"#, #""<pad>": 1"#, .duplicateID, "1 for both"),
    (#""<pad>": 0"#, #""<eos>": 0"#, .duplicateSymbol, "“<eos>”"),
    (#""<pad>": 0"#, #""<pad>": -1"#, .badID, "-1 for “<pad>”"),
    (#""<pad>": 0"#, #""<pad>": "0""#, .badJSON, "another type"),
    (#""type": "TemplateProcessing""#, #""type": "ByteLevel""#, .unsupportedModel, "“ByteLevel”"),
    (#""id": 0,"#, #""id": 999999999,"#, .badID, "999999999"),
  ])
  func damagedGemmasAreRefused(part: String, replacement: String, rule: TokenizerRule, says: String) throws {
    let json = try text("gemma/tokenizer.json")
    let damaged = json.replacing(part, with: replacement, maxReplacements: 1)
    #expect(damaged != json)
    let error = try withFolder(["tokenizer.json": Array(damaged.utf8)]) { folder in
      #expect(throws: TokenizerError.self) { try folderTokenizer(folder, .siglip) }
    }
    #expect(error?.rule == rule, "\(error?.description ?? "")")
    #expect(error?.description.contains(says) == true, "\(error?.description ?? "")")
  }

  @Test func vocabulariesOfWordsAreChecked() throws {
    func rule(_ lines: String) throws -> TokenizerRule? {
      try withFolder(["vocab.txt": Array(lines.utf8)]) { folder in
        #expect(throws: TokenizerError.self) { try folderTokenizer(folder, bert) }?.rule
      }
    }
    #expect(try rule("[PAD]\n[UNK]\n[CLS]\n") == .missingSpecialToken)
    #expect(try rule("") == .missingSpecialToken)
    #expect(try rule("[PAD]\n[PAD]\n") == .duplicateSymbol)
    let windows = "[PAD]\r\n[UNK]\r\n[CLS]\r\n[SEP]\r\na\r\n##b\r\n"
    let tokenizer = try withFolder(["vocab.txt": Array(windows.utf8)]) { try folderTokenizer($0, bert) }
    #expect(try tokenizer.encode("A ab abc [SEP] a", contextLength: 9) == [2, 4, 4, 5, 1, 0, 4, 0, 0])
  }

  /// Whatever is changed in the files, loading ends with a tokenizer or an error, and so does reading a text.
  @Test(arguments: ["gemma-added", "bert-added", "clip-added", "bert-openclip"])
  func damagedFilesNeverCrash(name: String) throws {
    var generator: UInt64 = 7
    func random(_ bound: Int) -> Int {
      generator = generator &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return Int(generator >> 33) % bound
    }
    let names = ["tokenizer.json", "tokenizer_config.json", "vocab.txt"]
    let intact = names.reduce(into: [String: [UInt8]]()) { files, file in files[file] = try? bytes("\(name)/\(file)") }
    let convention = name.hasPrefix("clip") ? TokenizerConvention.clip : bert
    var opened = 0
    for _ in 0..<60 {
      var files = intact
      for file in files.keys.sorted() {
        guard var bytes = files[file], random(2) == 0 else { continue }
        for _ in 0..<(1 + random(3)) {
          let place = random(bytes.count)
          switch random(4) {
          case 0: bytes[place] = UInt8(random(256))
          case 1: bytes.removeSubrange(place..<min(bytes.count, place + 1 + random(40)))
          case 2: bytes.insert(contentsOf: Array("\"0,[{}]:-9".utf8).shuffled().prefix(3), at: place)
          default: bytes = bytes.prefix(max(1, place)) + bytes.suffix(random(200))
          }
        }
        files[file] = bytes
      }
      try withFolder(files) { folder in
        guard let tokenizer = try? folderTokenizer(folder, convention) else { return }
        opened += 1
        let prompt = try tokenizer.tokenize("a <cat-toy> Zebra lefty righty 猫 é", contextLength: 12)
        #expect(prompt.ids.count == 12)
        #expect(prompt.ids.allSatisfy { $0 >= 0 && $0 < tokenizer.idCount })
      }
    }
    #expect(opened > 5)
  }

  @Test(
    arguments: ["gemma-added", "bert-added", "clip-added"], ["a", "\u{301}", "<cat-toy>", "lefty ", "  ", "🐱", "!"])
  func longTextsFinish(name: String, part: String) throws {
    let convention = name.hasPrefix("clip") ? TokenizerConvention.clip : bert
    let tokenizer = try folderTokenizer("\(folder)/\(name)", convention)
    let text = String(repeating: part, count: (1 << 18) / part.utf8.count)
    #expect(try tokenizer.encode(text, contextLength: 24).count == 24)
  }

  /// Two spellings of é are two tokens.
  @Test func tokensThatLookAlikeAreDifferent() throws {
    let json = try text("gemma/tokenizer.json").replacing(
      #""<unused0>": 5"#, with: #""e\u0301": 5, "\u212b": 400"#, maxReplacements: 1)
    let tokenizer = try withFolder(["tokenizer.json": Array(json.utf8)]) { try folderTokenizer($0, .siglip) }
    #expect(tokenizer.idCount == 401)
    #expect(try tokenizer.encode("\u{212B}é", contextLength: 3) == [400, 399, 1])
  }

  @Test func aFolderWithoutATokenizerSaysSo() throws {
    let error = #expect(throws: TokenizerError.self) { try withFolder([:]) { try folderTokenizer($0, bert) } }
    #expect(error?.rule == .missingFiles)
    #expect(error?.message.subjects == [.textEmbeddings])
    // Half a tokenizer is a fault, not a reason to take another.
    let half = #expect(throws: TokenizerError.self) {
      try withFolder(["vocab.json": SmallTokenizer().pair["vocab.json"] ?? []]) { try folderTokenizer($0, .openCLIP) }
    }
    #expect(half?.rule == .missingFiles)
    #expect(throws: TokenizerError.self) { try folderTokenizer("/nonexistent/folder", .openCLIP) }
  }
}
