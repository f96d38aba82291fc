import Failures
import Glibc
import Synchronization
import Texts
import VisionTransformer

extension TextEmbeddings {
  /// All classes of a classifier: the rows and biases of its head. Nil for a model that is no classifier.
  fileprivate init?(classesOf model: Model) throws(LeGradError) {
    guard let names = model.configuration.classes else { return nil }
    do throws(CheckpointError) {
      let weights = try model.source.floats("head.weight")
      self.init(
        prompts: names, width: weights.count / names.count, rows: weights, classes: Array(names.indices),
        biases: try model.source.floats("head.bias"))
    } catch { throw LeGradError(error) }
  }
}

/// How probable a class is for an image.
public struct ClassScore: Sendable, Equatable {
  /// The class's number, from 0.
  public let number: Int
  public let name: String
  public let logit: Float
  /// The softmax of all logits.
  public let probability: Float
}

extension Model {
  /// The number of the class that `text` names: its number, its name, or one of the names that commas separate in it, in
  /// any case of letters.
  /// - Throws: `usage` for a model without classes, and for a text that names none or several of them.
  public func classNumber(_ text: String) throws(LeGradError) -> Int {
    guard let classes = configuration.classes else {
      let subject = configuration.text == nil ? Subject.referenceImages : .prompt
      throw LeGradError(.usage, "\(name) has no classes; give \(subject)")
    }
    let exact = classes.indices.filter { classes[$0].isSame(as: text) }
    if exact.count == 1 { return exact[0] }
    if let number = Int(text), exact.isEmpty {
      guard classes.indices.contains(number) else {
        throw LeGradError(.usage, "\(name): class \(number): there are classes 0..\(classes.count - 1)")
      }
      return number
    }
    func folded(_ name: some StringProtocol) -> String {
      name.lowercased().split(whereSeparator: \.isWhitespace).joined(separator: " ")
    }
    let wanted = folded(text)
    func found(_ names: (String) -> [String]) -> [Int] {
      classes.indices.filter { names(classes[$0]).contains(where: wanted.isSame) }
    }
    func parts(_ name: String) -> [String] {
      name.utf8.split(separator: UInt8(ascii: ",")).map { folded(Substring($0)) }
    }
    let whole = found { [folded($0)] }
    let named = whole.isEmpty ? found(parts) : whole
    guard named.count != 1 else { return named[0] }
    func listed(_ numbers: some Sequence<Int>) -> String {
      numbers.prefix(3).map { "\($0) \"\(classes[$0])\"" }.joined(separator: ", ")
    }
    guard named.isEmpty else {
      throw LeGradError(
        .usage, "\(name): several classes are called \"\(text)\": \(listed(named)); give the number of one")
    }
    throw LeGradError(
      .usage,
      "\(name): no class is called \"\(text)\"; nearest are \(listed(nearestNames(to: text, among: classes)))")
  }
}

extension Explainer {
  /// The classes of a classifier, in the order of its logits; nil for a model that compares images with prompts.
  public var classes: [String]? { model.configuration.classes }

  /// What images are asked for classes with.
  /// - Parameter classes: numbers of classes, from 0.
  /// - Throws: `usage` for a model without classes, or for a number that no class has.
  public func encode(classes: [Int]) throws(LeGradError) -> TextEmbeddings {
    let head = try classHead()
    for number in classes where !head.prompts.indices.contains(number) {
      throw LeGradError(.usage, "\(model.name): class \(number): there are classes 0..\(head.count - 1)")
    }
    return head.rows(classes)
  }

  /// The logit of every class.
  /// - Parameter embedding: an image's, as `Explanation.imageEmbedding` has it.
  public func logits(of embedding: [Float]) throws(LeGradError) -> [Float] {
    let head = try classHead()
    return head.prompts.indices.map { Float(head.score($0, of: embedding)) }
  }

  /// The most probable classes, from the most probable on; classes of one logit in their order.
  /// - Parameters:
  ///   - count: how many; all if there are fewer.
  ///   - embedding: an image's, as `Explanation.imageEmbedding` has it.
  public func topClasses(_ count: Int, of embedding: [Float]) throws(LeGradError) -> [ClassScore] {
    let logits = try logits(of: embedding)
    let order = logits.indices.sorted { (logits[$1], $0) < (logits[$0], $1) }
    return try scores(of: Array(order.prefix(count)), logits: logits)
  }

  /// What a classifier says of some classes.
  public func classScores(_ classes: [Int], of embedding: [Float]) throws(LeGradError) -> [ClassScore] {
    try scores(of: classes, logits: logits(of: embedding))
  }

  private func scores(of classes: [Int], logits: [Float]) throws(LeGradError) -> [ClassScore] {
    let names = try classHead().prompts
    let largest = Double(logits.max() ?? 0)
    let total = logits.reduce(0.0) { $0 + exp(Double($1) - largest) }
    return classes.map {
      ClassScore(
        number: $0, name: names[$0], logit: logits[$0],
        probability: Float(exp(Double(logits[$0]) - largest) / total))
    }
  }

  /// All classes of a classifier, in the order of its logits.
  package func classHead() throws(LeGradError) -> TextEmbeddings {
    guard let head = try keptClassHead.value(of: model) else {
      throw LeGradError(
        .usage, "\(model.name) has no classes: it compares images with prompts; give \(Subject.prompt)")
    }
    return head
  }
}

/// A classifier's head, read when it is first asked for.
final class KeptClassHead: Sendable {
  private let head = Mutex<TextEmbeddings?>(nil)

  func value(of model: Model) throws(LeGradError) -> TextEmbeddings? {
    try head.withLock { head throws(LeGradError) in
      if head == nil { head = try TextEmbeddings(classesOf: model) }
      return head
    }
  }
}
