import LeGrad
import VisionTransformer

/// What the cost of an explanation grows with. All else stays as the command line has it.
enum GrowthAxis: String, CaseIterable, Sendable {
  case images, prompts, pixels, blocks

  /// What the law is about: a side's pixels give tokens.
  var variable: String { self == .pixels ? "tokens" : rawValue }

  /// The highest power of the variable in the law of time: attention has a product for each pair of tokens, all else one
  /// for each token.
  var degree: Int { self == .pixels ? 2 : 1 }

  /// Values in rising order.
  func values(of model: Model) -> [Int] {
    switch self {
    case .images: return [1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000]
    case .prompts:
      let most = model.configuration.classes?.count ?? .max
      return (0...8).map { 1 << $0 }.filter { $0 <= most }
    case .pixels:
      let vision = model.configuration.vision
      let native = max(1, vision.imageWidth / vision.patchSize)
      // A model's own side is half of a few wholes: from it to six times as much.
      return [2, 3, 4, 6, 8, 10, 12].map { $0 * native / 2 * vision.patchSize }
    case .blocks:
      let layers = model.configuration.vision.layers
      let step = max(1, layers / 12)
      return Array(stride(from: 1, to: layers, by: step)) + [layers]
    }
  }

  /// The value in the law's variable.
  func variable(of value: Int, in model: Model) -> Double {
    guard self == .pixels else { return Double(value) }
    let vision = model.configuration.vision
    let side = value / vision.patchSize
    return Double(side * side + vision.leadingTokens)
  }
}
