import Compute
import ComputeOpenCL
import Failures
import ImageFiles
import OpenCLRuntime
import VisionTransformer

/// The device memory that a run takes, counted by going through it without computing anything.
struct MemoryCount {
  private let source: any WeightSource
  private let options: Explainer.Options
  private let device: OpenCLDevice

  init(_ source: any WeightSource, _ options: Explainer.Options, _ device: OpenCLDevice) {
    self.source = source
    self.options = options
    self.device = device
  }

  /// The error with the memory that would do for what failed; as it is where that cannot be told.
  /// - Parameter body: what failed once the weights were there; one image and one prompt if nil.
  func explained<Result>(
    _ error: LeGradError, by body: (any Engine) throws(LeGradError) -> Result
  ) -> LeGradError {
    guard let bytes = least({ engine throws(LeGradError) in _ = try body(engine) }) else { return error }
    return error.with(sentence(bytes, for: "this"))
  }

  func explained(_ error: LeGradError) -> LeGradError {
    guard let bytes = least(oneImage) else { return error }
    return error.with(sentence(bytes, for: "one image and one prompt"))
  }

  private func sentence(_ bytes: Int, for what: String) -> Message {
    bytes <= device.memory
      ? "\(bytes) bytes are enough for \(what)"
      : "\(what) takes \(bytes) bytes, and \(device.name) has \(device.memory); use \(Subject.device) cpu"
  }

  /// What one image of the model's own size and one prompt take with all weights on the device; nil where that cannot be
  /// told.
  func resident() -> (bytes: Int, weightBytes: Int)? { count(streams: false, oneImage) }

  /// Bytes with which `body` comes through, within a thirtieth of the least: with less, what only loading needs goes
  /// earlier.
  private func least(_ body: (any Engine) throws(LeGradError) -> Void) -> Int? {
    guard var enough = count(streams: true, body)?.bytes else { return nil }
    var tooFew = enough / 2
    for _ in 0..<6 {
      let middle = (tooFew + enough) / 2
      if count(streams: true, limit: middle, body) == nil { tooFew = middle } else { enough = middle }
    }
    // What earlier calls left for later ones to use again may be a little larger than what this one makes.
    return enough + enough / 64
  }

  /// The most bytes in use at once, from the first weight on, and those of the weights; nil where it does not come
  /// through.
  private func count(
    streams: Bool, limit: Int? = nil, _ body: (any Engine) throws(LeGradError) -> Void
  ) -> (bytes: Int, weightBytes: Int)? {
    var settings = options.openCLOptions(streamsWeights: streams)
    settings.memoryLimit = limit
    settings.countsMemoryAlone = true
    do {
      if settings.variant == nil {
        settings.variant = try OpenCLBackend.preferredVariant(on: device, options: options.openCLOptions())
      }
      settings.trial = nil
      let backend = try OpenCLBackend(device, precision: options.precision ?? .f32, options: settings)
      let shapes = ShapeSource(source.configuration)
      let vision: (any WeightSource)? =
        options.foldsProjections ? FoldedWeights(shapes, on: ShapeBackend(precision: .f32)) : nil
      try body(BackendEngine(shapes, vision: vision, backend: backend))
      return backend.peakBytes.map { ($0, backend.traffic.weightBytes) }
    } catch { return nil }
  }

  private func oneImage(_ engine: any Engine) throws(LeGradError) {
    let vision = source.configuration.vision
    let grid = Grid(height: vision.imageHeight / vision.patchSize, width: vision.imageWidth / vision.patchSize)
    let (height, width) = (grid.height * vision.patchSize, grid.width * vision.patchSize)
    let picture = PreparedImage(
      pixels: [Float](repeating: 0, count: 3 * width * height), height: height, width: width,
      region: PixelRegion(x: 0, y: 0, width: width, height: height))
    do throws(ModelError) {
      _ = try engine.explain(
        [picture], shape: VisionShape(images: 1, grid: grid, leadingTokens: vision.leadingTokens),
        text: [Float](repeating: 0, count: source.configuration.embeddingWidth),
        requests: [MethodRequest(method: .legrad(), blocks: max(0, vision.layers - 2)..<vision.layers, prompts: 1)],
        isCancelled: { false })
    } catch { throw LeGradError(error) }
  }
}

extension LeGradError {
  fileprivate func with(_ sentence: Message) -> LeGradError {
    LeGradError(kind, "\(message); \(sentence)", bytesNeeded: bytesNeeded)
  }
}
