package import Compute
import Failures
import ImageFiles
import VisionTransformer

/// The operations of one batch, in their order.
package struct RunTrace: Sendable {
  package struct Step: Sendable {
    package let work: OperationWork
    package let stage: Stage
    /// What it took; 0 where nothing was measured.
    package let seconds: Double
  }

  package let steps: [Step]

  init(_ operations: [TracedOperation], blockRows: Int, hasPooler: Bool) {
    steps = operations.indices.map { index in
      let work = operations[index].work
      // The MLP's second product comes before its first on the way back: with fewer rows where tokens share them.
      let next =
        work.role == .mlpOutput && work.isBackward
        ? operations[index...].first { $0.work.role == .mlpInput && $0.work.isBackward } : nil
      let isShared = next.map { work.rows < $0.work.rows } ?? false
      return Step(
        work: work, stage: Stage(of: work, blockRows: blockRows, hasPooler: hasPooler, isShared: isShared),
        seconds: operations[index].seconds)
    }
  }

  /// Floating-point operations of all products and maps that are computed.
  package var arithmetic: Double { steps.reduce(0) { $0 + $1.work.arithmetic } }
}

extension RunTrace {
  /// What a batch of such a model asks of a device, without one and without its weights.
  /// - Parameters:
  ///   - width: of the images as the model sees them, in pixels.
  ///   - height: the same.
  ///   - folds: whether the tower is folded; see `Explainer.Options.foldsProjections`.
  ///   - rowsToJoin: the device's `Backend.rowsToJoin`.
  package init(
    of model: Model, methods: [Method], images: Int, prompts: Int, width: Int, height: Int, precision: Precision,
    folds: Bool = false, rowsToJoin: Int = 0
  ) throws(LeGradError) {
    let vision = model.configuration.vision
    let backend = TracingBackend(ShapeBackend(precision: precision, rowsToJoin: rowsToJoin))
    let source = ShapeSource(model.configuration)
    if folds { try vision.requireFolding() }
    let weights: any WeightSource = folds ? FoldedWeights(source, on: ShapeBackend(precision: .f32)) : source
    let blocks = try model.check(methods, prompts: prompts)
    let shape = VisionShape(
      images: images, grid: Grid(height: height / vision.patchSize, width: width / vision.patchSize),
      leadingTokens: vision.leadingTokens)
    let requests = zip(methods, blocks).map { MethodRequest(method: $0, blocks: $1, prompts: prompts) }
    let pixels = [PreparedImage](
      repeating: PreparedImage(
        pixels: [Float](repeating: 0, count: 3 * width * height), height: height, width: width,
        region: PixelRegion(x: 0, y: 0, width: width, height: height)), count: images)
    let text = [Float](repeating: 0, count: prompts * model.configuration.embeddingWidth)
    do throws(ModelError) {
      let tower = try VisionTower(weights, on: backend)
      backend.label(tower)
      let run = try MethodRun(tower: tower, source: source, shape: shape, prompts: prompts, requests: requests)
      // The first batch brings the text, which later ones find there.
      func explain() throws(ModelError) { _ = try run.explain(pixels[...], text: text, isCancelled: { false }) }
      try explain()
      let operations = try backend.trace(explain)
      self.init(
        operations.map { TracedOperation(work: $0.work, seconds: 0) }, blockRows: shape.rows,
        hasPooler: vision.hasAttentionPooler)
    } catch { throw LeGradError(error) }
  }
}

extension Explainer {
  /// Runs `body`, which explains one batch, and times each of its operations: they wait for the device then, so that the
  /// whole takes longer than without.
  ///
  /// The options say beforehand that operations can be traced.
  package func trace(
    images: Int, width: Int, height: Int, _ body: () throws(LeGradError) -> Void
  ) throws(LeGradError) -> RunTrace {
    let vision = model.configuration.vision
    let patches = width / vision.patchSize * (height / vision.patchSize)
    let operations = try room.current.engine.trace(body)
    return RunTrace(
      operations, blockRows: images * (vision.leadingTokens + patches), hasPooler: vision.hasAttentionPooler)
  }
}
