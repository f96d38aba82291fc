public import Failures
import Randomness

/// A model of a named architecture with random weights, each tensor made when it is asked for.
///
/// A value depends on the seed, the tensor's name and its place in the tensor alone. The scales are those of OpenCLIP's
/// initialisation, so that activations stay near one through any depth; biases and layer norms are drawn too, so that
/// nothing in the arithmetic goes unseen.
public struct RandomCheckpoint: WeightSource {
  public let configuration: ModelConfiguration
  public let seed: UInt64
  private let shapes: [String: [Int]]

  public init(configuration: ModelConfiguration, seed: UInt64 = 0) {
    self.configuration = configuration
    self.seed = seed
    shapes = Dictionary(uniqueKeysWithValues: configuration.canonicalTensors.map { ($0.name, $0.shape) })
  }

  public init(_ architecture: Architecture, seed: UInt64 = 0) {
    self.init(configuration: architecture.configuration, seed: seed)
  }

  /// Numbers in all tensors.
  public var parameterCount: Int { configuration.canonicalTensors.reduce(0) { $0 + $1.elementCount } }

  public func floats(_ canonicalName: String) throws(CheckpointError) -> [Float] {
    guard let shape = shapes[canonicalName] else {
      throw CheckpointError(
        .unknownTensor, file: "random weights", place: "tensor \"\(canonicalName)\"",
        expected: "a tensor of this model", found: "none of this name",
        remedy: "ask for one of its canonical tensors")
    }
    let (mean, deviation) = distribution(of: canonicalName, shape: shape)
    guard deviation > 0 else { return [Float](repeating: mean, count: shape.reduce(1, *)) }
    var values = RandomNumbers(seed: seed, name: canonicalName)
      .values(0..<shape.reduce(1, *), mean: mean, deviation: deviation)
    for rows in missingBiases(of: canonicalName, rows: values.count) {
      for row in rows { values[row] = 0 }
    }
    return values
  }

  /// What is zero of a bias of the vision tower's blocks since the model has none there.
  private func missingBiases(of name: String, rows: Int) -> [Range<Int>] {
    guard name.hasPrefix("visual.transformer."), name.hasSuffix("bias") else { return [] }
    let biases = configuration.vision.biases
    if name.hasSuffix("in_proj_bias") {
      let third = rows / 3
      return zip([biases.queries, biases.keys, biases.values], 0..<3).filter { !$0.0 }.map {
        $0.1 * third..<($0.1 + 1) * third
      }
    }
    let isMissing = name.hasSuffix("out_proj.bias") ? !biases.output : name.contains(".mlp.c_") && !biases.mlp
    return isMissing ? [0..<rows] : []
  }

  public func tokenEmbeddingRows(ids: [Int]) throws(CheckpointError) -> [Float] {
    let name = "token_embedding.weight"
    let text = try textConfiguration(for: ids, file: "random weights")
    let (mean, deviation) = distribution(of: name, shape: [text.vocabularySize, text.width])
    let numbers = RandomNumbers(seed: seed, name: name)
    return ids.flatMap {
      numbers.values($0 * text.width..<($0 + 1) * text.width, mean: mean, deviation: deviation)
    }
  }

  private func distribution(of name: String, shape: [Int]) -> (mean: Float, deviation: Float) {
    let isVision = name.hasPrefix("visual.")
    let width = Float(isVision ? configuration.vision.width : configuration.text?.width ?? 1)
    let layers = Float(isVision ? configuration.vision.layers : configuration.text?.layers ?? 1)
    if name == "logit_scale" { return (2.6592601, 0) }
    if name == "logit_bias" { return (-10, 0) }
    if name == "cls_emb" { return (0, 0.01) }
    if name == "visual.attn_pool.query" { return (0, 1) }
    if name == "token_embedding.weight" { return (0, 0.02) }
    if name == "positional_embedding" { return (0, 0.01) }
    // Features are near one; logits become so too.
    if name == VisionTensors.classes.weight { return (0, Float(shape[1]).squareRoot().inverse) }
    if name == "visual.conv1.weight" { return (0, (3 * Float(shape[1] * shape[2] * shape[3])).squareRoot().inverse) }
    if name.hasSuffix("bias") { return (0, 0.02) }
    if name.contains("ln_") { return (1, 0.02) }
    if name.hasSuffix("out_proj.weight") || name.hasSuffix("c_proj.weight") {
      return (0, (2 * layers * width).squareRoot().inverse)
    }
    // The product of gate and value falls off twice where both are small.
    let isGated = isVision && configuration.vision.mlp == .gated && !name.contains("attn_pool")
    if name.hasSuffix("c_fc.weight") { return (0, ((isGated ? 1 : 2) * width).squareRoot().inverse) }
    return (0, width.squareRoot().inverse)
  }
}

extension Float {
  fileprivate var inverse: Float { 1 / self }
}
