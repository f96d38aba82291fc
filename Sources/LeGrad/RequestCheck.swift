import VisionTransformer

extension Model {
  /// Checks a request without a picture and before the weights are read, so that a bad one fails before any work.
  public func check(
    size: InputSize, resize: ResizeMode, methods: [Method], prompts: Int, options: Explainer.Options
  ) throws(LeGradError) {
    _ = try known(options.pixelStatistics ?? pixelStatistics)
    _ = try fitting(size: size, resize: resize)
    _ = try check(methods, prompts: prompts)
  }

  /// Checks that a method is defined for this model and has the blocks that it was told.
  package func check(_ method: Method) throws(LeGradError) { _ = try check([method], prompts: 1) }

  /// Checks that methods make sense for this model and so many prompts.
  /// - Returns: the blocks that each reads.
  func check(_ methods: [Method], prompts: Int) throws(LeGradError) -> [Range<Int>] {
    var blocks: [Range<Int>] = []
    for method in methods {
      blocks.append(try method.blocks(of: configuration.vision.layers))
      try method.check(prompts: prompts)
      try method.check(configuration.vision, model: name)
    }
    return blocks
  }
}
