import Texts

/// Pieces with log probabilities, and the segmentation of text that is likeliest under them.
///
/// The result is SentencePiece's: its normalisation table, white space runs made one `▁` with one in front of the text,
/// the path of the highest sum of scores in float32, the earlier of equals; a character that no piece covers is
/// unknown, and neighbouring unknown ones are one token.
struct UnigramVocabulary: Sendable {
  let endID: Int32
  /// Pieces, those that no text can become among them.
  let pieceCount: Int
  /// One more than the largest id that a text can become.
  let idCount: Int
  let unknownID: Int32
  private let scores: [Float]
  private let unknownScore: Float
  private let trie: PieceTrie
  private let characterMap: PrecompiledCharacterMap?

  /// - Parameters:
  ///   - pieces: in the order of their ids.
  ///   - controls: ids that no text becomes.
  init(
    pieces: [(text: String, score: Float)], unknownID: Int, endID: Int, controls: Set<Int>,
    characterMap: PrecompiledCharacterMap?
  ) {
    var trie = PieceTrie()
    var lowest = Float.greatestFiniteMagnitude
    for (id, piece) in pieces.enumerated() where id != unknownID && !controls.contains(id) {
      trie.insert(Array(piece.text.utf8), id: Int32(id))
      lowest = min(lowest, piece.score)
    }
    self.trie = trie
    self.characterMap = characterMap
    self.endID = Int32(endID)
    pieceCount = pieces.count
    self.unknownID = Int32(unknownID)
    idCount = 1 + (pieces.indices.last { $0 == endID || $0 == unknownID || !controls.contains($0) } ?? 0)
    scores = pieces.map(\.score)
    // SentencePiece's penalty.
    unknownScore = lowest - 10
  }

  /// The ids of UTF-8 text.
  func ids(of text: [UInt8]) -> [Int32] {
    segment(Self.marked(characterMap?.normalized(text) ?? text))
  }

  /// One `▁` before each word, and nothing else of the spaces.
  private static func marked(_ text: [UInt8]) -> [UInt8] {
    text.split(separator: UInt8(ascii: " ")).flatMap { [0xE2, 0x96, 0x81] + $0 }
  }

  private struct Step {
    var score: Float = 0
    var id: Int32 = 0
    /// Where the piece that ends here starts; -1 where none ends.
    var start = -1
  }

  private func segment(_ text: [UInt8]) -> [Int32] {
    guard !text.isEmpty else { return [] }
    var best = [Step](repeating: Step(), count: text.count + 1)
    func offer(_ step: Step, at end: Int) {
      if best[end].start < 0 || step.score > best[end].score { best[end] = step }
    }
    var start = 0
    while start < text.count {
      let reached = best[start].score
      let length = min(UTF8Length.of(text[start]), text.count - start)
      var coversCharacter = false
      trie.forEachPrefix(of: text, from: start) { id, end in
        offer(Step(score: scores[Int(id)] + reached, id: id, start: start), at: end)
        if end == start + length { coversCharacter = true }
      }
      if !coversCharacter {
        offer(Step(score: unknownScore + reached, id: unknownID, start: start), at: start + length)
      }
      start += length
    }
    var ids: [Int32] = []
    var end = text.count
    while end > 0 {
      let step = best[end]
      if step.id != unknownID || ids.last != unknownID { ids.append(step.id) }
      end = step.start
    }
    return ids.reversed()
  }
}

/// Byte strings with ids, by their prefixes.
private struct PieceTrie: Sendable {
  /// Node and byte to the next node.
  private var edges: [UInt64: Int32] = [:]
  /// The id of the piece that ends at a node, or -1.
  private var ids: [Int32] = [-1]

  mutating func insert(_ bytes: [UInt8], id: Int32) {
    var node: Int32 = 0
    for byte in bytes {
      let edge = Self.edge(node, byte)
      if let next = edges[edge] {
        node = next
      } else {
        ids.append(-1)
        node = Int32(ids.count - 1)
        edges[edge] = node
      }
    }
    if ids[Int(node)] < 0 { ids[Int(node)] = id }
  }

  /// Calls `body` with each piece that starts at `start`, and where it ends, the shortest first.
  func forEachPrefix(of text: [UInt8], from start: Int, _ body: (Int32, Int) -> Void) {
    var node: Int32 = 0
    for position in start..<text.count {
      Work.add(1)
      guard let next = edges[Self.edge(node, text[position])] else { return }
      node = next
      if ids[Int(node)] >= 0 { body(ids[Int(node)], position + 1) }
    }
  }

  private static func edge(_ node: Int32, _ byte: UInt8) -> UInt64 {
    UInt64(UInt32(bitPattern: node)) << 8 | UInt64(byte)
  }
}
