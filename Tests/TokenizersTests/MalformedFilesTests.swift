import Failures
import FoundationEssentials
import Testing

@testable import Tokenizers

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// Files that must be refused, the reason, and what the message must say.
struct Malformed: Sendable, CustomTestStringConvertible {
  let name: String
  let files: [String: [UInt8]]
  let reason: TokenizerRule
  let says: String

  var testDescription: String { name }

  init(_ name: String, _ files: [String: [UInt8]], _ reason: TokenizerRule, _ says: String) {
    (self.name, self.files, self.reason, self.says) = (name, files, reason, says)
  }

  /// The small tokenizer's pair of files after `edit`.
  static func pair(
    _ name: String, _ reason: TokenizerRule, _ says: String, _ edit: (inout SmallTokenizer) -> Void
  ) -> Malformed {
    var small = SmallTokenizer()
    edit(&small)
    return Malformed(name, small.pair, reason, says)
  }

  static func merges(_ name: String, _ text: String, _ reason: TokenizerRule, _ says: String) -> Malformed {
    var files = SmallTokenizer().pair
    files["merges.txt"] = Array(text.utf8)
    return Malformed(name, files, reason, says)
  }

  static func vocabulary(_ name: String, _ bytes: [UInt8], _ reason: TokenizerRule, _ says: String) -> Malformed {
    var files = SmallTokenizer().pair
    files["vocab.json"] = bytes
    return Malformed(name, files, reason, says)
  }

  static func tokenizer(_ name: String, _ json: String, _ reason: TokenizerRule, _ says: String) -> Malformed {
    Malformed(name, ["tokenizer.json": Array(json.utf8)], reason, says)
  }

  static func packed(_ name: String, _ bytes: [UInt8], _ reason: TokenizerRule, _ says: String) -> Malformed {
    Malformed(name, ["bpe_simple_vocab_16e6.txt.gz": bytes], reason, says)
  }
}

private let small = SmallTokenizer()
private let header = "#version: 0.2\n"
private let packedBytes = gzip(Array(small.packedText.utf8))

private let missing: [Malformed] = [
  Malformed("empty folder", [:], .missingFiles, "vocab.json with merges.txt, or tokenizer.json, or bpe_simple"),
  Malformed("vocab.json alone", ["vocab.json": small.pair["vocab.json"] ?? []], .missingFiles, "vocab.json alone"),
  Malformed("merges.txt alone", ["merges.txt": []], .missingFiles, "merges.txt alone"),
]

private let vocabularies: [Malformed] = [
  .vocabulary("empty", [], .badJSON, "not JSON"),
  .vocabulary("cut off", Array(small.vocabularyJSON.utf8.dropLast(3)), .badJSON, "not JSON"),
  .vocabulary("an array", Array("[1,2]".utf8), .badJSON, "another type"),
  .vocabulary("an id in quotes", Array(#"{"a":"1"}"#.utf8), .badJSON, "“a”"),
  .vocabulary("a fractional id", Array(#"{"a":1.5}"#.utf8), .badJSON, "no integer"),
  .vocabulary("an enormous id", Array(#"{"a":99999999999999999999999}"#.utf8), .badJSON, "no integer"),
  .vocabulary("deep nesting", Array(repeating: UInt8(ascii: "["), count: 100_000), .badJSON, "not JSON"),
  .vocabulary("bad UTF-8", Array(#"{"a"#.utf8) + [0xFF, 0x22, 0x3A, 0x31, 0x7D], .notUTF8, "UTF-8"),
  .vocabulary("surrogates in UTF-8", [0x7B, 0x22, 0xED, 0xA0, 0x80, 0x22, 0x3A, 0x31, 0x7D], .notUTF8, "UTF-8"),
  .vocabulary("no tokens", Array("{}".utf8), .missingSpecialToken, "start"),
  .pair("a negative id", .badID, "-1 for “do”") { $0.setID("-1", of: "do") },
  .pair("an id of 2^24", .badID, "16777216 for “do”") { $0.setID("16777216", of: "do") },
  .pair("one id twice", .duplicateID, "512 for both “ca” and “do”") { $0.setID("512", of: "do") },
  .pair("one symbol twice", .duplicateSymbol, "found \"do\" twice, at byte \(small.vocabularyJSON.utf8.count)") {
    $0.symbols.append(("do", "900"))
  },
  .pair("one symbol twice, with one id", .duplicateSymbol, "\"do\" twice") { $0.symbols.append(("do", "514")) },
  .pair("no start token", .missingSpecialToken, "<start_of_text>") { $0.remove("<|startoftext|>") },
  .pair("no end token", .missingSpecialToken, "<|endoftext|>") { $0.remove("<|endoftext|>") },
  .pair("two end tokens", .ambiguousSpecialToken, "both") { $0.symbols.append(("<end_of_text>", "900")) },
  .pair("no byte symbol", .missingByteSymbol, "“ÿ” (byte 255)") { $0.remove("ÿ") },
  .pair("no final byte symbol", .missingByteSymbol, "“\u{100}</w>” (byte 0)") { $0.remove("\u{100}</w>") },
]

private let mergeLists: [Malformed] = [
  .merges("empty", "", .missingHeader, "#version"),
  .merges("no version line", "c a\nca t</w>\n", .missingHeader, "“c a”"),
  .merges("an empty line", header + "c a\n\nd o\n", .badMerge, "line 3, found nothing"),
  .merges("one symbol", header + "c a\nd\n", .badMerge, "line 3, found “d”"),
  .merges("three symbols", header + "c a t\n", .badMerge, "line 2, found “c a t”"),
  .merges("two spaces", header + "c  a\n", .badMerge, "line 2"),
  .merges("a space in front", header + " c\n", .badMerge, "line 2"),
  .merges("an unknown left symbol", header + "zz a\n", .unknownSymbol, "merge 1"),
  .merges("an unknown right symbol", header + "c a\nc zz\n", .unknownSymbol, "merge 2"),
  .merges("an unknown joined symbol", header + "c b\n", .unknownSymbol, "“cb”"),
  .merges("one merge twice", header + "c a\nd o\nc a\n", .duplicateMerge, "as merge 1 and 3"),
  .merges(
    "terminal escapes", header + "\u{1B}[2J" + String(repeating: "x", count: 500) + "\n", .badMerge, "\\u{1b}[2J"),
]

/// 600,000 bytes that Swift's comparison has to sort.
private let marks = String(repeating: "\u{301}\u{316}", count: 150_000)
private let bpe = #""type":"BPE","end_of_word_suffix":"</w>","#

private let tokenizers: [Malformed] = [
  .tokenizer("not JSON", "hello", .badJSON, "not JSON"),
  .tokenizer("no model", "{}", .badJSON, "no “model”"),
  .tokenizer(
    "unigram", #"{"model":{"type":"Unigram","vocab":[["a",-1.0]]}}"#, .unsupportedModel, "found “Unigram”"),
  .tokenizer("no type", small.tokenizerJSON(fields: ""), .unsupportedModel, "found none"),
  .tokenizer("no suffix", small.tokenizerJSON(fields: #""type":"BPE","#), .unsupportedModel, "end_of_word_suffix"),
  .tokenizer(
    "a prefix",
    small.tokenizerJSON(fields: #""type":"BPE","end_of_word_suffix":"</w>","continuing_subword_prefix":"\#u{1}","#),
    .badJSON, "not JSON"),
  .tokenizer(
    "another prefix",
    small.tokenizerJSON(fields: #""type":"BPE","end_of_word_suffix":"</w>","continuing_subword_prefix":"@@","#),
    .unsupportedModel, "“@@”"),
  .tokenizer("a key twice", #"{"model":{"type":"BPE"},"model":{}}"#, .duplicateSymbol, "\"model\" twice"),
  .tokenizer("a symbol twice", small.tokenizerJSON(fields: bpe + #""vocab":{},"#), .duplicateSymbol, "\"vocab\" twice"),
  .tokenizer("no vocabulary", #"{"model":{\#(bpe)"merges":[]}}"#, .badJSON, "no “vocab” in “model”"),
  // To hold it against a name that begins alike would take a minute.
  .tokenizer(
    "a type of 300,000 marks", #"{"model":{"type":"U\#(marks)"}}"#, .badJSON, "600001 bytes at “model.type”"),
  .tokenizer("a type that is a number", #"{"model":{"type":5}}"#, .badJSON, "“model.type”"),
  .tokenizer(
    "added tokens without ids", small.tokenizerJSON(added: #"[{"content":"x"}]"#), .badJSON, "no “id” in “added"),
  .tokenizer("a number in a merge", small.tokenizerJSON(merges: #"[["c",1]]"#), .badJSON, "“model.merges[0][1]”"),
  .tokenizer("three symbols", small.tokenizerJSON(merges: #"[["c","a","t"]]"#), .badMerge, "item 0, found 3 strings"),
  .tokenizer("an empty symbol", small.tokenizerJSON(merges: #"[["c",""]]"#), .badMerge, "item 0"),
  .tokenizer("one symbol", small.tokenizerJSON(merges: #"["c a","c"]"#), .badMerge, "item 1, found “c”"),
  .tokenizer("a number among merges", small.tokenizerJSON(merges: "[7]"), .badJSON, "model.merges"),
  .tokenizer(
    "an added token with another id", small.tokenizerJSON(added: #"[{"id":7,"content":"do"}]"#), .duplicateSymbol,
    "514 in “model.vocab”, 7"),
  .tokenizer(
    "an added token with a taken id", small.tokenizerJSON(added: #"[{"id":514,"content":"x y"}]"#), .duplicateID,
    "514 for both “do” and “x y”"),
]

private let packs: [Malformed] = [
  .packed("empty", [], .badGzip, "end early"),
  .packed("plain text", Array(small.packedText.utf8), .badGzip, "damaged"),
  .packed("cut off", Array(packedBytes.dropLast(9)), .badGzip, "end early"),
  .packed("a cut header", Array(packedBytes.prefix(5)), .badGzip, "end early"),
  .packed("a wrong checksum", packedBytes.dropLast(8) + [1, 2, 3, 4] + packedBytes.suffix(4), .badGzip, "damaged"),
  .packed("bytes after the end", packedBytes + [0, 0], .badGzip, "2 bytes after"),
  .packed("a bomb", gzip(Array(repeating: 0x20, count: 40 << 20)), .tooLarge, "unpack to more"),
  .packed("bad UTF-8", gzip(Array(header.utf8) + [0xC3, 0x28]), .notUTF8, "UTF-8"),
  .packed("no version line", gzip(Array("c a\n".utf8)), .missingHeader, "“c a”"),
  .packed("nothing inside", gzip([]), .missingHeader, "an empty line"),
  .packed("an unknown symbol", gzip(Array((header + "c zz\n").utf8)), .unknownSymbol, "“zz”"),
  .packed("one merge twice", gzip(Array((header + "c a\nc a\n").utf8)), .duplicateSymbol, "“ca” as id 512 and 513"),
  .packed(
    "a merge that makes a byte symbol", gzip(Array((header + "a </w>\n").utf8)), .duplicateSymbol, "“a</w>”"),
]

@Test(arguments: missing + vocabularies + mergeLists + tokenizers + packs)
func malformedFilesAreRefused(one: Malformed) throws {
  let error = try withFolder(one.files) { folder in
    #expect(throws: TokenizerError.self) { try CLIPTokenizer.load(folder: folder) }
  }
  #expect(error?.rule == one.reason)
  let message = error?.description ?? ""
  #expect(message.contains(one.says))
  #expect(message.contains("legrad-tokenizers-"), "the file is named")
  #expect(!message.unicodeScalars.contains { $0.properties.generalCategory == .control })
  #expect(message.unicodeScalars.count < 800)
}

@Test func whatIsNoFileIsRefused() throws {
  let pair = SmallTokenizer().pair
  let error = try withFolder(["merges.txt": pair["merges.txt"] ?? []]) { folder in
    try FileManager.default.createDirectory(atPath: folder + "/vocab.json", withIntermediateDirectories: false)
    return #expect(throws: TokenizerError.self) { try CLIPTokenizer.load(folder: folder) }
  }
  #expect(error?.rule == .unreadable)
  let nowhere = #expect(throws: TokenizerError.self) { try CLIPTokenizer.load(folder: "/nonexistent/folder") }
  #expect(nowhere?.rule == .missingFiles)
}

/// A sparse file beyond the limit is refused by its size, before anything is read.
@Test(arguments: ["vocab.json", "merges.txt"])
func enormousFilesAreRefused(name: String) throws {
  let error = try withFolder(SmallTokenizer().pair) { folder in
    #expect(unsafe truncate("\(folder)/\(name)", 1 << 40) == 0)
    return #expect(throws: TokenizerError.self) { try CLIPTokenizer.load(folder: folder) }
  }
  #expect(error?.rule == .tooLarge)
  #expect(error?.found == "\(1 << 40)")
}
