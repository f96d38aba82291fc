import FoundationEssentials
import Testing

@testable import Tokenizers

/// Tests/Fixtures in the source tree.
let fixtures = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
  .appending(path: "Fixtures").path

let fixtureTokenizerFolder = fixtures + "/tokenizer"

func fixtureTokenizer() throws -> CLIPTokenizer {
  try CLIPTokenizer.load(folder: fixtureTokenizerFolder)
}

func fixtureData(_ name: String) throws -> Data {
  try Data(contentsOf: URL(filePath: fixtureTokenizerFolder + "/" + name))
}

/// Runs `body` with a new folder that holds `files`, and removes it afterwards.
func withFolder<Result>(_ files: [String: [UInt8]], _ body: (String) throws -> Result) throws -> Result {
  let folder = FileManager.default.temporaryDirectory.appending(path: "legrad-tokenizers-\(UUID().uuidString)")
  try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
  defer { try? FileManager.default.removeItem(at: folder) }
  for (name, bytes) in files {
    try Data(bytes).write(to: folder.appending(path: name))
  }
  return try body(folder.path)
}

/// A string of JSON.
func quoted(_ text: String) -> String {
  var result = "\""
  for scalar in text.unicodeScalars {
    switch scalar {
    case "\"", "\\": result += "\\" + String(Character(scalar))
    case let control where control.value < 0x20:
      result += "\\u00" + (control.value < 16 ? "0" : "") + String(control.value, radix: 16)
    default: result.unicodeScalars.append(scalar)
    }
  }
  return result + "\""
}

/// A small tokenizer to damage: all byte symbols, three merges and the special tokens.
struct SmallTokenizer {
  var merges = [("c", "a"), ("ca", "t</w>"), ("d", "o")]
  var symbols: [(name: String, id: String)]

  init() {
    let bytes = ByteSymbols.characters
    let names = bytes + bytes.map { $0 + "</w>" } + ["ca", "cat</w>", "do", "<|startoftext|>", "<|endoftext|>"]
    symbols = names.enumerated().map { ($1, "\($0)") }
  }

  mutating func setID(_ id: String, of name: String) {
    for index in symbols.indices where symbols[index].name == name { symbols[index].id = id }
  }

  mutating func remove(_ name: String) { symbols.removeAll { $0.name == name } }

  var vocabularyJSON: String {
    "{" + symbols.map { "\(quoted($0.name)):\($0.id)" }.joined(separator: ",") + "}"
  }

  var mergesText: String {
    "#version: 0.2\n" + merges.map { "\($0.0) \($0.1)\n" }.joined()
  }

  /// `tokenizer.json`; `fields` stands before the vocabulary, `merges` replaces the list.
  func tokenizerJSON(
    fields: String = #""type":"BPE","end_of_word_suffix":"</w>","#, merges: String? = nil, added: String = "[]"
  ) -> String {
    let list = merges ?? "[" + self.merges.map { quoted("\($0.0) \($0.1)") }.joined(separator: ",") + "]"
    return #"{"added_tokens":\#(added),"model":{\#(fields)"vocab":\#(vocabularyJSON),"merges":\#(list)}}"#
  }

  var pair: [String: [UInt8]] {
    ["vocab.json": Array(vocabularyJSON.utf8), "merges.txt": Array(mergesText.utf8)]
  }

  /// OpenAI's list, unpacked.
  var packedText: String {
    "\"bpe_simple_vocab_16e6.txt#version: 0.2\n" + merges.map { "\($0.0) \($0.1)\n" }.joined()
  }
}
