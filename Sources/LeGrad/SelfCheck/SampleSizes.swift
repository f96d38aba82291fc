import OperationSamples
import VisionTransformer

extension SampleSizes {
  /// - Parameter grid: the model's own where nil.
  init(_ configuration: ModelConfiguration, images: Int, prompts: Int, grid: Grid? = nil) {
    let vision = configuration.vision
    self.init(
      gridHeight: grid?.height ?? vision.gridHeight, gridWidth: grid?.width ?? vision.gridWidth,
      patch: vision.patchSize, width: vision.width, heads: vision.heads, mlpWidth: vision.mlpWidth,
      embeddingWidth: configuration.embeddingWidth)
    self.images = images
    self.prompts = prompts
    activation = vision.activation
    epsilon = vision.epsilon
    text = configuration.text.map { Text(tokens: $0.contextLength, width: $0.width, heads: $0.heads) }
  }
}
