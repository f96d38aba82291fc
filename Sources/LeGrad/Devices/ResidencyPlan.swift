import Compute
import OpenCLRuntime
import VisionTransformer

/// Whether a vision tower and the memory of one explanation fit a device, before anything is loaded.
struct ResidencyPlan {
  let weightBytes: Int
  let workspaceBytes: Int
  let limit: Int

  init(_ source: any WeightSource, options: Explainer.Options, device: OpenCLDevice) {
    let limit = Self.limit(options, device)
    let guess = Self(
      source.configuration, precision: options.precision ?? .f32, isFolded: options.foldsProjections, limit: limit)
    // Counted where the guess could be wrong, by matrices that the formula leaves out.
    guard limit / 2 < guess.weightBytes + guess.workspaceBytes, guess.weightBytes / 2 < limit,
      let count = MemoryCount(source, options, device).resident()
    else {
      self = guess
      return
    }
    self.init(weightBytes: count.weightBytes, workspaceBytes: count.bytes - count.weightBytes, limit: limit)
  }

  /// Bytes of the device that may be used.
  static func limit(_ options: Explainer.Options, _ device: OpenCLDevice) -> Int {
    min(options.memoryLimit ?? Int.max, device.memory)
  }

  private init(weightBytes: Int, workspaceBytes: Int, limit: Int) {
    self.weightBytes = weightBytes
    self.workspaceBytes = workspaceBytes
    self.limit = limit
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
