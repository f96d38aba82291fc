import Failures
package import LeGrad

/// What finds the class of an image, and what an image is asked for a class with: a text tower's rows of prompts
/// (methods §6.3), or a classifier's own head.
///
/// Classes are numbered as the data set numbers them. Behind these come the `others`, which a classifier's head may know
/// beside them: what it finds is the best of all its classes.
package struct ImageClassifier: Sendable {
  /// The data set's.
  package let classNames: [String]
  /// Classes of the model that the data set has not.
  package let others: [String]
  /// A row per class, then one for each of the others.
  package let rows: TextEmbeddings
  /// What the rows depend on beside the model's weights.
  package let hash: String
  package let source: Source
  /// The prompts that the text tower could not read whole.
  package let cut: CutPrompts

  /// Where rows come from.
  package enum Source: Equatable, Sendable {
    /// What people are told of prompts: the template, how many there are, or that rows were given.
    case templates(String)
    case head(ClassOrder)

    var templates: String? {
      if case .templates(let templates) = self { templates } else { nil }
    }

    var remark: String {
      switch self {
      case .templates(let templates): "classes asked for by \"\(printable(templates, limit: 200))\""
      case .head(.names): "the model's own classes, matched by name"
      case .head(.numbers): "the model's own classes, which have no names, in the order of the class index"
      }
    }

    var order: ClassOrder? {
      if case .head(let order) = self { order } else { nil }
    }
  }

  init(
    classNames: [String], others: [String] = [], rows: TextEmbeddings, hash: String, source: Source,
    cut: CutPrompts = CutPrompts()
  ) {
    self.classNames = classNames
    self.others = others
    self.rows = rows
    self.hash = hash
    self.source = source
    self.cut = cut
  }

  /// The class of an image: the one whose row is nearest to its unit embedding, or whose logit is the highest; the first
  /// of those that are equally good.
  /// - Parameter embedding: as `Explanation.imageEmbedding` has it.
  package func classify(_ embedding: [Float]) -> Int {
    precondition(embedding.count == rows.width, "\(embedding.count) values, rows of \(rows.width)")
    var best = (index: 0, score: -Double.infinity)
    for index in 0..<rows.count {
      let score = rows.score(index, of: embedding)
      if score > best.score { best = (index, score) }
    }
    return best.index
  }
}

/// Prompts that are longer than a text tower's context.
package struct CutPrompts: Equatable, Sendable {
  package private(set) var count = 0
  package private(set) var first: First?

  package struct First: Equatable, Sendable {
    /// Among all prompts.
    let number: Int
    package let prompt: String
    package let length: PromptLength
  }

  init(count: Int = 0, first: First? = nil) {
    self.count = count
    self.first = first
  }

  /// - Parameter start: the number of the first of these prompts among all.
  mutating func take(_ encoded: TextEmbeddings, from start: Int) {
    for (place, length) in (encoded.lengths ?? []).enumerated() where length.cut > 0 {
      count += 1
      if first == nil { first = First(number: start + place, prompt: encoded.prompts[place], length: length) }
    }
  }
}
