import Compute
import OpenCLRuntime
import VisionTransformer

/// Whether a vision tower and the memory of one explanation fit a device, before anything is loaded.
struct ResidencyPlan {
  let weightBytes: Int
  let workspaceBytes: Int
  let limit: Int

  init(_ configuration: ModelConfiguration, options: Explainer.Options, device: OpenCLDevice) {
    self.init(
      configuration, precision: options.precision ?? .f32, isFolded: options.foldsProjections,
      limit: min(options.memoryLimit ?? Int.max, device.memory))
  }

  init(_ configuration: ModelConfiguration, precision: Precision, isFolded: Bool = false, limit: Int) {
    let vision = configuration.vision
    let (width, mlpWidth) = (vision.width, vision.mlpWidth)
    let blockWeights = 4 * width * width + (isFolded ? 3 : 2) * width * mlpWidth
    var edges = 3 * vision.patchSize * vision.patchSize * width + configuration.embeddingWidth * width
    // At most one MLP and the projections of values and output.
    if vision.hasAttentionPooler { edges += blockWeights }
    weightBytes = (vision.layers * blockWeights + edges) * precision.bytes
    // One image of the model's own size and one prompt: ten rows of the width and three of the MLP's per token. Then
    // the largest weight as it comes, and as it is stored.
    let tokens = vision.tokens
    let float = MemoryLayout<Float>.size
    workspaceBytes =
      tokens * (10 * width + 3 * mlpWidth) * float + width * max(mlpWidth, 3 * width) * (float + precision.bytes)
    self.limit = limit
  }

  var fits: Bool { weightBytes + workspaceBytes <= limit }

  var explanation: String {
    "weights stream: \(weightBytes) bytes of them and \(workspaceBytes) to work in exceed \(limit)"
  }
}
