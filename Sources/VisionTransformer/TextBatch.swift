/// Framed prompts that run together: which of their tokens are computed, and which row is each one's text.
struct TextBatch {
  /// Prompts.
  let count: Int
  /// Tokens of a prompt that come from ids.
  let words: Int
  /// All tokens of a prompt: its words, and a class token behind them where the tower has one.
  let tokens: Int
  /// `[prompts, words]`; shorter prompts are filled up with zeros.
  let ids: [Int]
  /// Rows whose final state is the text's, one per prompt.
  let pooledRows: [Int]
  /// Of each prompt, the rows that its class token sees; empty where there is none.
  let classKeys: [[Int]]
  private let classPosition: Int

  init(_ prompts: [[Int32]], configuration: TextConfiguration) {
    count = prompts.count
    let context = configuration.contextLength
    classPosition = context
    var seen: [[Int]] = []
    let ends = prompts.map { configuration.pooling.position(in: $0) }
    if configuration.pooling == .classToken {
      seen = prompts.map { Self.keysOfClassToken($0, context: context) }
      words = (seen.joined().filter { $0 < context }.max() ?? 0) + 1
      tokens = words + 1
    } else {
      words = configuration.isCausal ? (ends.max() ?? 0) + 1 : context
      tokens = words
    }
    var ids: [Int] = []
    for prompt in prompts {
      for position in 0..<words { ids.append(position < prompt.count ? Int(prompt[position]) : 0) }
    }
    self.ids = ids
    let (last, perPrompt) = (tokens - 1, tokens)
    if seen.isEmpty {
      pooledRows = ends.indices.map { $0 * perPrompt + ends[$0] }
    } else {
      pooledRows = prompts.indices.map { $0 * perPrompt + last }
    }
    classKeys = seen.enumerated().map { prompt, keys in
      keys.map { prompt * perPrompt + ($0 < context ? $0 : last) }
    }
  }

  /// The row of the positional table for a prompt's token.
  func position(of token: Int) -> Int { token < words ? token : classPosition }

  /// Positions that CoCa's class token sees, itself being `context`: the first, and those *behind* an id that is not
  /// padding. OpenCLIP's mask was made for a class token in front; checkpoints were trained with it.
  private static func keysOfClassToken(_ ids: [Int32], context: Int) -> [Int] {
    [0] + (1...context).filter { $0 - 1 < ids.count && ids[$0 - 1] != 0 }
  }
}

extension TextConfiguration.Pooling {
  /// The position in framed ids whose state is the text's; the first if no end of text is found, as in transformers and
  /// OpenCLIP, whose search for the largest of equals ends there.
  func position(in ids: [Int32]) -> Int {
    switch self {
    case .argmax: ids.indices.max { (ids[$0], $1) < (ids[$1], $0) } ?? 0
    case .firstEOT(let id): ids.firstIndex { Int($0) == id } ?? 0
    case .firstOf(let ends): ids.firstIndex { ends.contains(Int($0)) } ?? 0
    case .last, .classToken: ids.count - 1
    }
  }
}
