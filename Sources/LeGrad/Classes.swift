import Failures
import Synchronization
import VisionTransformer

/// The linear head of a classifier.
package struct ClassHead: Sendable {
  package let names: [String]
  /// `[classes, features]`.
  let weights: [Float]
  let biases: [Float]

  var features: Int { weights.count / names.count }

  /// Nil for a model that is no classifier.
  init?(_ model: Model) throws(LeGradError) {
    guard let names = model.configuration.classes else { return nil }
    self.names = names
    do throws(CheckpointError) {
      weights = try model.source.floats("head.weight")
      biases = try model.source.floats("head.bias")
    } catch { throw LeGradError(error) }
  }

  package func rows(_ classes: [Int]) -> TextEmbeddings {
    TextEmbeddings(
      prompts: classes.map { names[$0] }, width: features,
      rows: classes.flatMap { weights[$0 * features..<($0 + 1) * features] }, biases: classes.map { biases[$0] })
  }

  /// The logit of every class.
  package func logits(of embedding: [Float]) -> [Float] {
    names.indices.map { number in
      let row = weights[number * features..<(number + 1) * features]
      return Float(zip(row, embedding).reduce(Double(biases[number])) { $0 + Double($1.0) * Double($1.1) })
    }
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
    for number in classes where !head.names.indices.contains(number) {
      throw LeGradError(.usage, "\(model.name): class \(number): there are classes 0..\(head.names.count - 1)")
    }
    return head.rows(classes)
  }

  /// The logit of every class.
  /// - Parameter embedding: an image's, as `Explanation.imageEmbedding` has it.
  public func logits(of embedding: [Float]) throws(LeGradError) -> [Float] {
    try classHead().logits(of: embedding)
  }

  package func classHead() throws(LeGradError) -> ClassHead {
    guard let head = try keptClassHead.value(of: model) else {
      throw LeGradError(.usage, "\(model.name) has no classes: it compares images with prompts")
    }
    return head
  }
}

/// A classifier's head, read when it is first asked for.
final class KeptClassHead: Sendable {
  private let head = Mutex<ClassHead?>(nil)

  func value(of model: Model) throws(LeGradError) -> ClassHead? {
    try head.withLock { head throws(LeGradError) in
      if head == nil { head = try ClassHead(model) }
      return head
    }
  }
}
