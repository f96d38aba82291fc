import OperationSamples

/// The sizes of a vision tower at its native 224×224 pixels (methods §9.2).
struct Tower: Sendable {
  let name: String
  let layers: Int
  let width: Int
  let heads: Int
  let mlpWidth: Int
  let patch: Int
  let embeddingWidth: Int

  static let base = Tower(
    name: "ViT-B-16", layers: 12, width: 768, heads: 12, mlpWidth: 3072, patch: 16, embeddingWidth: 512)
  static let large = Tower(
    name: "ViT-L-14", layers: 24, width: 1024, heads: 16, mlpWidth: 4096, patch: 14, embeddingWidth: 768)
  static let bigG = Tower(
    name: "ViT-bigG-14", layers: 48, width: 1664, heads: 16, mlpWidth: 8192, patch: 14, embeddingWidth: 1280)

  static let all = [base, large, bigG]
  static let pixels = 224

  var grid: Int { Self.pixels / patch }
  /// The class token and the patches.
  var tokens: Int { 1 + grid * grid }

  /// What the catalogue of operations takes, for one image.
  func sizes(prompts: Int) -> SampleSizes {
    var sizes = SampleSizes(
      gridHeight: grid, gridWidth: grid, patch: patch, width: width, heads: heads, mlpWidth: mlpWidth,
      embeddingWidth: embeddingWidth)
    sizes.prompts = prompts
    return sizes
  }

  /// Arithmetic operations of one image explained for `prompts` prompts over all blocks (methods §11.6): what the
  /// method's formulas count, not what an implementation saves.
  func explanationOperations(prompts: Int) -> Double {
    let (n, d, m) = (Double(tokens), Double(width), Double(mlpWidth))
    let block = 2 * n * (4 * d * d + 2 * d * m) + 4 * n * n * d
    let patches = 2 * (n - 1) * d * 3 * Double(patch * patch)
    let localBackward = 2 * n * m * d + 2 * n * d * d + 2 * n * n * d
    return Double(layers) * (block + Double(prompts) * localBackward) + patches + 2 * d * Double(embeddingWidth)
  }
}
