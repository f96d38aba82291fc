import Compute
import VisionTransformer

/// The sizes that an explanation gives its operations.
struct SampleSizes: Sendable {
  let images: Int
  let prompts: Int
  let grid: Grid
  let vision: VisionConfiguration
  let embeddingWidth: Int
  let text: TextConfiguration?

  /// - Parameter grid: the model's own where nil.
  init(_ configuration: ModelConfiguration, images: Int, prompts: Int, grid: Grid? = nil) {
    self.images = images
    self.prompts = prompts
    vision = configuration.vision
    self.grid = grid ?? Grid(height: vision.gridHeight, width: vision.gridWidth)
    embeddingWidth = configuration.embeddingWidth
    text = configuration.text
  }

  var shape: VisionShape { VisionShape(images: images, grid: grid) }
  /// Of one image.
  var tokens: Int { shape.tokens }
  /// Of all images.
  var rows: Int { shape.rows }
  var width: Int { vision.width }
  var mlpWidth: Int { vision.mlpWidth }
  var stack: PromptStack { PromptStack(prompts: prompts, tokens: tokens) }
  /// Of all images and prompts.
  var stackedRows: Int { rows * prompts }
}

extension SampleSizes {
  /// Every operation of `Backend`, as the towers use it.
  var everyOperation: [any OperationSample] {
    memorySamples + matmulSamples + attentionSamples + attentionRowSamples + layerNormSamples + pointwiseSamples
      + rowSamples + relevanceSamples
  }

  /// The operations that an explanation spends its time in: products from both sides, attention, relevance.
  var heavyOperations: [any OperationSample] {
    forwardProducts + backwardProducts + [attentionSample, relevanceSample]
  }
}
