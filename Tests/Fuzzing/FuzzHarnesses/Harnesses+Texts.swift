import Tokenizers

extension Harnesses {
  static let texts = [
    Harness(
      "text", maximumLength: 512, testRuns: 700,
      words: [
        "&amp;", "&#x1F600;", "&lt", "<|endoftext|>", "</s>", "<unk>", "'s", "\u{2581}", "e\u{301}", "\u{FB01}", "İ",
      ],
      seeds: {
        [
          "a photo of a cat", "the quick brown fox's &amp;amp; tail, 12 times!", "  İstanbul ﬁne ½ e\u{301} 日本 😀\t",
          "<unk>",
        ].map { Array($0.utf8) }
      },
      reader: { bench in
        let unigrams = "tokenizer-unigram/"
        let (library, own) = (try bench.folder("library"), try bench.folder("own"))
        try bench.write(try FixtureFiles.bytes(unigrams + "spiece.model"), "library/spiece.model")
        try bench.write(try FixtureFiles.bytes(unigrams + "tokenizer.json"), "own/tokenizer.json")
        let pairs: [(any TextTokenizer, any TextTokenizer)] = try SigLIPTokenizer.Rules.allCases.map { rules in
          (try SigLIPTokenizer.load(folder: library, rules: rules), try SigLIPTokenizer.load(folder: own, rules: rules))
        }
        let others: [any TextTokenizer] =
          [try CLIPTokenizer.load(folder: FixtureFiles.path("tokenizer"))]
          + (try ["bert", "bert-added", "clip-added", "gemma", "gemma-lower-added"].map {
            try folderTokenizer(
              FixtureFiles.path("tokenizer-libraries/" + $0), .openCLIPNamed(.canonicalize, stripsSeparator: false))
          })
        return { bytes throws(Finding) in
          let text = String(decoding: bytes, as: UTF8.self)
          for (first, second) in pairs {
            let (expected, ids) = (try encoded(text, first), try encoded(text, second))
            try require(expected == ids, "libsentencepiece reads \(expected), the own segmentation \(ids)")
          }
          for other in others { _ = try encoded(text, other) }
        }
      }),
    Harness(
      "byte-pairs", maximumLength: 16_384, testRuns: 150,
      words: jsonWords + [Sections.mark, "#version: 0.2\n", "</w>", "Ġ", "<|startoftext|>", "<|endoftext|>", "c a\n"],
      seeds: {
        let merges = try FixtureFiles.bytes("tokenizer/merges.txt")
        let vocabulary = try FixtureFiles.bytes("tokenizer/vocab.json")
        let added = try FixtureFiles.bytes("tokenizer-libraries/clip-added-old/added_tokens.json")
        let settings = try FixtureFiles.bytes("tokenizer/tokenizer_config.json")
        return [[(0, vocabulary), (1, merges)], [(0, vocabulary), (1, merges), (2, added), (3, settings)]].map(
          Sections.joined)
      },
      reader: { bench in
        {
          bytes throws(Finding) in
          try readTokenizer(
            bytes,
            ["vocab.json", "merges.txt", "added_tokens.json", "tokenizer_config.json", "special_tokens_map.json"],
            [.openCLIP, .clip, .openCLIPNamed(.lower, stripsSeparator: false)], bench)
        }
      }),
    Harness(
      "tokenizer-json", maximumLength: 16_384, testRuns: 80,
      words: jsonWords + [
        Sections.mark, "\"model\"", "\"type\"", "\"BPE\"", "\"Unigram\"", "\"WordPiece\"", "\"vocab\"", "\"merges\"",
        "\"Replace\"",
        "\"Sequence\"", "\"normalizer\"", "\"added_tokens\"", "\"content\"", "\"special\"", "\"byte_fallback\"",
        "\"unk_id\"",
        "\"Precompiled\"", "\"precompiled_charsmap\"", "\"id\"", "\"padding_side\"", "\"truncation_side\"",
      ],
      seeds: {
        let unigrams = #"""
          {"model": {"type": "Unigram", "unk_id": 2, "vocab": [["<pad>", 0], ["</s>", 0], ["<unk>", 0], ["▁a", -1], \#
          ["b", -2.5], ["▁", -3]]}, "normalizer": {"type": "Sequence", "normalizers": []}, "pre_tokenizer": {"type": \#
          "Metaspace", "replacement": "▁", "prepend_scheme": "always"}}
          """#
        return try [
          "bert", "bert-added", "bert-left", "gemma", "gemma-added", "gemma-lower", "gemma-plain",
        ].map {
          let folder = "tokenizer-libraries/" + $0 + "/"
          let names = try FixtureFiles.names(folder)
          let settings =
            names.contains("tokenizer_config.json") ? try FixtureFiles.bytes(folder + "tokenizer_config.json") : []
          return Sections.joined([(1, settings), (0, try FixtureFiles.bytes(folder + "tokenizer.json"))])
        } + [Sections.joined([(0, Array(unigrams.utf8))])]
      },
      reader: { bench in
        {
          bytes throws(Finding) in
          try readTokenizer(
            bytes, ["tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "vocab.txt"],
            [.openCLIP, .clip, .siglip, .siglip2, .openCLIPNamed(.whitespace, stripsSeparator: true)], bench)
        }
      }),
    Harness(
      "sentencepiece", maximumLength: 8_192, testRuns: 4_000, words: ["<unk>", "</s>", "<s>", "\u{2581}", "<0x0A>"],
      seeds: {
        // Pieces of the fixture's model, and what says how it splits; its table of characters is most of it.
        let model = try FixtureFiles.bytes("tokenizer-unigram/spiece.model")
        return [Array(model.prefix(4_096)), Array(model.prefix(512)), Array(model.suffix(4_096))] + pieceModels
      },
      reader: { bench in
        {
          bytes throws(Finding) in
          try bench.write(bytes, "spiece.model")
          for rules in SigLIPTokenizer.Rules.allCases {
            let tokenizer = try taken { () throws(TokenizerError) in
              try SigLIPTokenizer.load(folder: bench.path, rules: rules)
            }
            if let tokenizer { _ = try encoded("a photo of  a cat ab", tokenizer) }
          }
        }
      }),
    Harness(
      "gzip", maximumLength: 4_096, testRuns: 1_500,
      words: ["\u{1F}", "\"bpe_simple_vocab_16e6.txt#version: 0.2\n", "c a\n"],
      seeds: {
        let merges = try FixtureFiles.bytes("tokenizer/merges.txt")
        return [merges, stored(merges)]
      },
      reader: { bench in
        {
          bytes throws(Finding) in
          let packed = bytes.starts(with: [0x1F, 0x8B]) ? bytes : stored(bytes)
          try bench.write(packed, "bpe_simple_vocab_16e6.txt.gz")
          let tokenizer = try taken { () throws(TokenizerError) in try CLIPTokenizer.load(folder: bench.path) }
          if let tokenizer { _ = try encoded("a photo of a cat", tokenizer) }
        }
      }),
  ]

  /// Ids of a text, all of them in the table and as many as the context has.
  @discardableResult
  static func encoded(_ text: String, _ tokenizer: any TextTokenizer) throws(Finding) -> [Int32] {
    let length = 24
    let ids = try taken { () throws(TokenizerError) in try tokenizer.encode(text, contextLength: length) } ?? []
    try require(ids.isEmpty || ids.count == length, "\(ids.count) ids for a context of \(length)")
    let isKnown = ids.allSatisfy { (0..<Int32(clamping: tokenizer.idCount)).contains($0) }
    try require(isKnown, "ids beyond the \(tokenizer.idCount) of the vocabulary: \(ids)")
    return ids
  }

  /// Opens a folder of the files in `bytes` by several conventions.
  private static func readTokenizer(
    _ bytes: [UInt8], _ names: [String], _ conventions: [TokenizerConvention], _ bench: Workbench
  ) throws(Finding) {
    names.forEach(bench.remove)
    for part in Sections.split(bytes, count: names.count) { try bench.write(part.bytes, names[part.file]) }
    for convention in conventions {
      let tokenizer = try taken { () throws(TokenizerError) in try folderTokenizer(bench.path, convention) }
      if let tokenizer { try encoded("a photo of a cat's dot é 日", tokenizer) }
    }
  }

  /// A gzip file that holds the bytes as they are (RFC 1952, with RFC 1951's blocks of type 0).
  private static func stored(_ bytes: [UInt8]) -> [UInt8] {
    func little(_ value: UInt32, _ count: Int) -> [UInt8] {
      (0..<count).map { UInt8(truncatingIfNeeded: value >> (8 * UInt32($0))) }
    }
    let size = UInt32(bytes.count)
    return [0x1F, 0x8B, 8, 0, 0, 0, 0, 0, 0, 3, 1] + little(size, 2) + little(~size, 2) + bytes
      + little(PNGChecksums.crc(bytes), 4) + little(size, 4)
  }

  /// Small models: pieces with their scores and kinds, then a trainer's and a normaliser's part.
  private static let pieceModels: [[UInt8]] = {
    func field(_ number: UInt8, _ bytes: [UInt8]) -> [UInt8] { [number << 3 | 2, UInt8(bytes.count)] + bytes }
    func piece(_ text: String, _ score: Float, kind: UInt8) -> [UInt8] {
      let bits = score.bitPattern
      let score = (0..<4).map { UInt8(truncatingIfNeeded: bits >> (8 * UInt32($0))) }
      return field(1, field(1, Array(text.utf8)) + [0x15] + score + [0x18, kind])
    }
    let pieces =
      piece("<pad>", 0, kind: 3) + piece("</s>", 0, kind: 3) + piece("<unk>", 0, kind: 2)
      + piece("\u{2581}a", -1, kind: 1)
      + piece("\u{2581}", -2, kind: 1) + piece("ab", -3, kind: 1) + piece("p", -3.5, kind: 1)
    // Unigrams whose unknown piece is 2, end 1, padding 0, with no start.
    let minusOne = [UInt8](repeating: 0xFF, count: 9) + [1]
    let trainer = [0x18, 1, 0xC0, 2, 2, 0xC8, 2] + minusOne + [0xD0, 2, 1, 0xD8, 2, 0]
    return [pieces + field(2, trainer) + field(3, field(1, Array("identity".utf8))), pieces]
  }()
}
