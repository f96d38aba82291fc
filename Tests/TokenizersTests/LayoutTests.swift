import FoundationEssentials
import Testing

@testable import Tokenizers

/// `cat do` in the small tokenizer: ids 513 and, for `do`, `d` with `o</w>`, as `do` merges only inside a word.
private func checkSmall(_ tokenizer: CLIPTokenizer, start: Int32 = 515, end: Int32 = 516) {
  let finalO = Int32(256 + 0x6F - 0x21)
  let (d, finalT) = (Int32(0x64 - 0x21), Int32(256 + 0x74 - 0x21))
  #expect(tokenizer.ids(of: "cat do") == [513, d, finalO])
  #expect(tokenizer.ids(of: "dot Cat") == [514, finalT, 513])
  #expect(tokenizer.startID == start)
  #expect(tokenizer.endID == end)
  #expect(tokenizer.idCount == 517)
}

@Test func byteSymbolsStandInVocabularyOrder() {
  #expect(ByteSymbols.order.count == 256)
  #expect(Set(ByteSymbols.order).count == 256)
  #expect(Set(ByteSymbols.characters).count == 256)
  #expect(ByteSymbols.order[0] == 0x21 && ByteSymbols.characters[0] == "!")
  #expect(ByteSymbols.order[93] == 0x7E && ByteSymbols.characters[94] == "¡")
  #expect(ByteSymbols.characters[187] == "ÿ")
  #expect(ByteSymbols.order[188] == 0 && ByteSymbols.characters[188] == "\u{100}")
  #expect(ByteSymbols.order[255] == 0xAD && ByteSymbols.characters[255] == "\u{143}")
}

@Test func vocabularyWithMergesLoads() throws {
  checkSmall(try withFolder(SmallTokenizer().pair, CLIPTokenizer.load(folder:)))
}

@Test func linesMayEndAsOnWindowsAndTheLastNotAtAll() throws {
  var files = SmallTokenizer().pair
  let text = SmallTokenizer().mergesText.split(separator: "\n").joined(separator: "\r\n")
  files["merges.txt"] = Array(text.utf8)
  checkSmall(try withFolder(files, CLIPTokenizer.load(folder:)))
}

@Test(arguments: [
  nil, #"[["c","a"],["ca","t</w>"],["d","o"]]"#, #"["c a",["ca","t</w>"],"d o"]"#,
])
func tokenizerFileLoads(merges: String?) throws {
  let json = SmallTokenizer().tokenizerJSON(merges: merges)
  checkSmall(try withFolder(["tokenizer.json": Array(json.utf8)], CLIPTokenizer.load(folder:)))
}

@Test func specialTokensMayStandAmongTheAddedOnes() throws {
  var small = SmallTokenizer()
  small.remove("<|startoftext|>")
  let added = #"[{"id":515,"content":"<|startoftext|>","special":true},{"id":516,"content":"<|endoftext|>"}]"#
  let files = ["tokenizer.json": Array(small.tokenizerJSON(added: added).utf8)]
  checkSmall(try withFolder(files, CLIPTokenizer.load(folder:)))
}

/// Ids of the packed list follow from the order alone: bytes, bytes with the mark, merges, start, end.
@Test func packedMergesLoad() throws {
  let files = ["bpe_simple_vocab_16e6.txt.gz": gzip(Array(SmallTokenizer().packedText.utf8))]
  checkSmall(try withFolder(files, CLIPTokenizer.load(folder:)))
}

/// OpenCLIP takes 48,894 merges and ignores the rest of its list: the special tokens are 49406 and 49407.
@Test func packedMergesBeyondCLIPsAreIgnored() throws {
  let bytes = ByteSymbols.characters
  var lines = ["#version: 0.2"]
  var symbols = bytes
  // Every symbol of two bytes, then three-byte ones: distinct and made of known parts.
  for left in bytes {
    for right in bytes where symbols.count < 256 + 48_894 + 10 {
      lines.append("\(left) \(right)")
      symbols.append(left + right)
    }
  }
  let files = ["bpe_simple_vocab_16e6.txt.gz": gzip(Array(lines.joined(separator: "\n").utf8))]
  let tokenizer = try withFolder(files, CLIPTokenizer.load(folder:))
  #expect(tokenizer.startID == 49406)
  #expect(tokenizer.endID == 49407)
  #expect(tokenizer.idCount == 49408)
  // "!" "!" is the first merge; the end-of-word mark keeps the last byte alone.
  #expect(tokenizer.ids(of: "!!!") == [512, 256])
}

@Test func layoutsArePreferredInOrder() throws {
  var files = SmallTokenizer().pair
  files["tokenizer.json"] = Array("{}".utf8)
  files["bpe_simple_vocab_16e6.txt.gz"] = [0]
  checkSmall(try withFolder(files, CLIPTokenizer.load(folder:)))
  files["merges.txt"] = nil
  files["tokenizer.json"] = Array(SmallTokenizer().tokenizerJSON().utf8)
  checkSmall(try withFolder(files, CLIPTokenizer.load(folder:)))
}

/// The order of merges, not of letters, decides; and a rank is finished before what it made is looked at.
@Test(arguments: [
  // The later pair of the text has the lower rank.
  ([("b", "c"), ("a", "b")], "abcx", ["a", "bc", "x</w>"]),
  ([("a", "b"), ("b", "c")], "abcx", ["ab", "c", "x</w>"]),
  // Overlapping pairs merge from the left.
  ([("a", "a")], "aaaaax", ["aa", "aa", "a", "x</w>"]),
  ([("a", "a"), ("aa", "aa")], "aaaaax", ["aaaa", "a", "x</w>"]),
  // `ab a` has a lower rank than `a b`, yet both `a b` are merged first.
  ([("ab", "a"), ("a", "b")], "ababx", ["ab", "ab", "x</w>"]),
  ([("ab", "a"), ("a", "b")], "abax", ["aba", "x</w>"]),
])
func mergesFollowTheirRanks(merges: [(String, String)], text: String, expected: [String]) throws {
  var small = SmallTokenizer()
  small.merges = merges
  small.symbols.removeAll { ["ca", "cat</w>", "do"].contains($0.name) }
  for (number, merge) in merges.enumerated() { small.symbols.append((merge.0 + merge.1, "\(1000 + number)")) }
  let tokenizer = try withFolder(small.pair, CLIPTokenizer.load(folder:))
  let ids = expected.map { name in small.symbols.first { $0.name == name }.flatMap { Int32($0.id) } }
  #expect(tokenizer.ids(of: text) == ids)
}
