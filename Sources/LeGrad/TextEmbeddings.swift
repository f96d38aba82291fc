import Failures

/// How much of a prompt the text tower read.
public struct PromptLength: Sendable, Equatable {
  /// Tokens that it read: the text's and those that frame it, without padding.
  public let tokens: Int
  /// Tokens of the text that had no room in the context and were left out.
  public let cut: Int
  /// Whether they are the text's first, as some folders have it, and not its last.
  public let cutsStart: Bool

  package init(tokens: Int, cut: Int, cutsStart: Bool) {
    self.tokens = tokens
    self.cut = cut
    self.cutsStart = cutsStart
  }
}

/// What images are compared with: one unit row per prompt, or the rows of a classifier's head.
public struct TextEmbeddings: Sendable {
  /// The prompts, or the names of classes.
  public let prompts: [String]
  public let width: Int
  /// `[prompts, width]`, each row of length 1; those of classes as they are.
  public let values: [Float]
  /// The numbers of classes, one for each row; nil for prompts.
  public let classes: [Int]?
  /// Their biases, likewise.
  let biases: [Float]?
  /// How long each prompt was for the text tower, and how much of it had no room; nil for rows that were given.
  public let lengths: [PromptLength]?

  /// Unit rows that a text tower gave.
  init(prompts: [String], width: Int, unitRows: [Float], lengths: [PromptLength]? = nil) {
    self.init(prompts: prompts, width: width, rows: unitRows, lengths: lengths)
  }

  init(
    prompts: [String], width: Int, rows: [Float], classes: [Int]? = nil, biases: [Float]? = nil,
    lengths: [PromptLength]? = nil
  ) {
    self.prompts = prompts
    self.lengths = lengths
    self.width = width
    values = rows
    self.classes = classes
    self.biases = biases
  }

  /// Rows of any length other than zero, which are L2-normalised.
  /// - Parameters:
  ///   - rows: `[count, width]`, row after row.
  ///   - width: of a row, the model's embedding.
  ///   - prompts: a name for each row; `embedding 0`, `embedding 1`, … if nil.
  public init(rows: [Float], width: Int, prompts: [String]? = nil) throws(LeGradError) {
    guard width > 0, rows.count % width == 0, !rows.isEmpty else {
      throw LeGradError(.input, "text embeddings: \(rows.count) values are not rows of \(width)")
    }
    let count = rows.count / width
    if let prompts, prompts.count != count {
      throw LeGradError(.usage, "text embeddings: \(count) rows for \(prompts.count) prompts")
    }
    var values = rows
    for row in 0..<count {
      let range = row * width..<(row + 1) * width
      let norm = rows[range].reduce(0.0) { $0 + Double($1) * Double($1) }.squareRoot()
      guard norm.isFinite, norm > 0 else {
        throw LeGradError(.input, "text embeddings: row \(row) has length \(norm); every row needs a direction")
      }
      for index in range { values[index] = Float(Double(rows[index]) / norm) }
    }
    self.init(prompts: prompts ?? (0..<count).map { "embedding \($0)" }, width: width, unitRows: values)
  }

  /// Rows as they are; nil unless each has length 1, as far as float32 can tell.
  package init?(checkedUnitRows rows: [Float], width: Int, prompts: [String], lengths: [PromptLength]? = nil) {
    guard width > 0, rows.count == prompts.count * width, lengths.map({ $0.count == prompts.count }) ?? true
    else { return nil }
    for first in stride(from: 0, to: rows.count, by: width) {
      let square = rows[first..<first + width].reduce(0.0) { $0 + Double($1) * Double($1) }
      guard abs(square - 1) <= 1e-4 else { return nil }
    }
    self.init(prompts: prompts, width: width, unitRows: rows, lengths: lengths)
  }

  public var count: Int { prompts.count }

  /// Some of the prompts.
  public func rows(_ range: Range<Int>) -> TextEmbeddings {
    TextEmbeddings(
      prompts: Array(prompts[range]), width: width,
      rows: Array(values[range.lowerBound * width..<range.upperBound * width]),
      classes: classes.map { Array($0[range]) }, biases: biases.map { Array($0[range]) },
      lengths: lengths.map { Array($0[range]) })
  }

  /// Prompts by their numbers, in this order.
  package func rows(_ numbers: [Int]) -> TextEmbeddings {
    TextEmbeddings(
      prompts: numbers.map { prompts[$0] }, width: width, rows: numbers.flatMap(row),
      classes: classes.map { classes in numbers.map { classes[$0] } },
      biases: biases.map { biases in numbers.map { biases[$0] } },
      lengths: lengths.map { lengths in numbers.map { lengths[$0] } })
  }

  /// The score that a model gives an image's embedding for a prompt: the cosine, or a class's logit.
  ///
  /// In float64, four sums side by side: one would wait for each of its additions.
  package func score(_ prompt: Int, of embedding: [Float]) -> Double {
    var sums = SIMD4<Double>()
    let (first, end) = (prompt * width, width / 4 * 4)
    for column in stride(from: 0, to: end, by: 4) {
      for lane in 0..<4 { sums[lane] += Double(values[first + column + lane]) * Double(embedding[column + lane]) }
    }
    for column in end..<width { sums[0] += Double(values[first + column]) * Double(embedding[column]) }
    return (sums[0] + sums[1]) + (sums[2] + sums[3]) + Double(biases?[prompt] ?? 0)
  }

  /// One prompt's row.
  public func row(_ prompt: Int) -> ArraySlice<Float> { values[prompt * width..<(prompt + 1) * width] }
}
