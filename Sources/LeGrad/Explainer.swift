public import Compute
import ComputeCPU
import Tokenizers
import VisionTransformer

/// A model on a device, ready to explain many images.
///
/// ```swift
/// let explainer = try Explainer(Model(folder: "ViT-B-16"))
/// let text = try explainer.encode(["a photo of a cat"])
/// let image = try explainer.prepare(RGBImage.decode(path: "photo.jpg").image)
/// let explanation = try explainer.explain([image], text: text)[0]
/// let heatmap = explanation.heatmap(prompt: 0)
/// ```
///
/// Calls may come from several tasks at once; each runs on all of the device's threads.
public final class Explainer: Sendable {
  public struct Options: Sendable {
    public var device: DeviceChoice = .auto
    /// How weights and inputs of products are stored; the fastest that the device has if nil.
    public var precision: Precision? = .f32
    /// Threads of the CPU backend; all cores if nil.
    public var threads: Int?
    /// Pixel statistics that replace the folder's, three values each.
    public var mean: [Float]?
    public var std: [Float]?

    public init() {}
  }

  public let model: Model
  /// The device that was chosen and why, for people.
  public let device: DeviceDescription
  public let precision: Precision
  private let engine: any Engine
  /// Pixel statistics in use; nil if neither the folder nor the options give them.
  public let mean: [Float]?
  public let std: [Float]?

  /// Loads the vision tower onto a device.
  public convenience init(_ model: Model, options: Options = Options()) throws(LeGradError) {
    try options.device.check()
    let backend: CPUBackend
    do {
      backend = try CPUBackend(
        precision: options.precision ?? CPUBackend.fastestPrecision, threads: options.threads)
    } catch { throw LeGradError(error) }
    try self.init(
      model, options: options, backend: backend, variant: backend.instructionSet.rawValue,
      reason: options.device.reason)
  }

  /// Loads the vision tower onto a backend of the caller's.
  package init(
    _ model: Model, options: Options = Options(), backend: some Backend, variant: String, reason: String
  ) throws(LeGradError) {
    self.model = model
    precision = backend.precision
    mean = options.mean ?? model.configuration.preprocessing.mean
    std = options.std ?? model.configuration.preprocessing.std
    do {
      engine = try BackendEngine(model.source, backend: backend)
    } catch { throw LeGradError(error) }
    device = DeviceDescription(name: backend.deviceDescription, variant: variant, reason: reason)
  }

  /// Arithmetic operations per second of the device at its best, measured for a moment on what `explain` uses.
  public func measurePeak() throws(LeGradError) -> Double {
    do { return try engine.measurePeak() } catch { throw LeGradError(error) }
  }

  /// Bytes moved between host and device so far.
  public var traffic: Traffic { engine.traffic }

  /// Unit embeddings of prompts, through the model's tokenizer and text tower. Prompt text is used as given.
  ///
  /// The text tower is read for the call and released after it: encode prompts together.
  public func encode(_ prompts: [String]) throws(LeGradError) -> TextEmbeddings {
    guard let text = model.configuration.text else {
      throw LeGradError(.input, "\(model.name): the checkpoint has no text tower; give --text-embeddings")
    }
    let tokenizer = try model.tokenizer()
    let ids = prompts.map { tokenizer.encode($0, contextLength: text.contextLength) }
    let rows: [Float]
    do {
      rows = try engine.encode(ids, source: model.source, configuration: text)
    } catch { throw LeGradError(error) }
    guard rows.allSatisfy(\.isFinite) else {
      throw LeGradError(.numerical, "the text tower produced values that are not finite; try --precision f32")
    }
    return TextEmbeddings(prompts: prompts, width: model.configuration.embeddingWidth, unitRows: rows)
  }

  /// Explains images of one size in one batch; each gets the bits that it would get alone.
  /// - Parameter text: what to look for; nil gives image embeddings without maps.
  public func explain(
    _ images: [PreparedImage], text: TextEmbeddings?, layers: LayerSelection = .last(2)
  ) throws(LeGradError) -> [Explanation] {
    guard let first = images.first else { return [] }
    guard images.allSatisfy({ $0.height == first.height && $0.width == first.width }) else {
      throw LeGradError(.usage, "a batch needs images of one size; explain other sizes in a call of their own")
    }
    let text = text ?? TextEmbeddings(prompts: [], width: model.configuration.embeddingWidth, unitRows: [])
    guard text.width == model.configuration.embeddingWidth else {
      throw LeGradError(
        .input,
        "text embeddings have \(text.width) columns, \(model.name) has \(model.configuration.embeddingWidth); "
          + "encode the prompts with this model")
    }
    let blocks = try layers.blocks(of: model.configuration.vision.layers)
    let patch = model.configuration.vision.patchSize
    let shape = VisionShape(
      images: images.count, grid: Grid(height: first.height / patch, width: first.width / patch))
    let pixels = images.count == 1 ? first.pixels : images.flatMap(\.pixels)
    let batch: BatchRelevance
    do {
      batch = try engine.explain(pixels.span, shape: shape, text: text.values, layers: blocks)
    } catch { throw LeGradError(error) }
    let explanations = images.indices.map {
      Explanation(
        batch, image: $0, layers: blocks, text: text, inputHeight: first.height, inputWidth: first.width)
    }
    guard explanations.allSatisfy(\.isFinite) else {
      throw LeGradError(
        .numerical, "\(model.name) produced values that are not finite; try --precision f32, or check the weights")
    }
    return explanations
  }
}
