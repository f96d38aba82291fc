public import Compute
public import Failures
public import ImageFiles
package import Processes
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
/// `init`, `encode` and `explain` block their thread for as long as they compute, milliseconds to minutes; in a task the
/// async form of the same name is called, which blocks none of the threads that tasks share. Calls may come from several
/// tasks at once; each runs on all of the device's threads. `explain` can be cancelled: `isCancelled` is asked before each
/// block of the model, forward and back, and the async form asks it of its task; the call then fails with kind `cancelled`.
/// An OpenCL device finishes what it was given before, which is a whole batch where it is recorded.
public final class Explainer: Sendable {
  public struct Options: Sendable {
    public var device: DeviceChoice = .auto
    /// How weights and inputs of products are stored; the fastest that the device has if nil.
    public var precision: Precision? = .f32
    /// Threads at work at a time, of the CPU backend and of `explainEach`; if nil, one for each processor that the process
    /// may run on and, by its control groups, has the time of.
    public var threads: Int?
    /// Those threads, where others of the process share them.
    package var threadBudget: ThreadBudget?
    /// Which kernels an OpenCL device runs; the faster of those that compute right if nil.
    public var kernelVariant: KernelVariant?
    /// Whether LeGrad goes back through one product in place of two, which is made when the model is loaded
    /// (methods §11.2): a third more weight memory, `2 · hidden · width²` operations more for each block once, and
    /// `2 · tokens · width²` less for each block, image and prompt but the first. Results differ by rounding.
    public var foldsProjections = false
    /// Bytes of an OpenCL device's memory to use at most; all of it if nil. Weights that exceed it stream.
    public var memoryLimit: Int?
    /// Vector instructions of the CPU backend; the best that the machine has if nil.
    public var instructionSet: InstructionSet?
    /// Where built kernels, and what else takes long to compute again, are kept for the next process; nowhere if nil.
    /// The folder may vanish at any time.
    public var cacheFolder: String?
    /// A folder whose `.cl` files an OpenCL device runs instead of the embedded ones, for work on kernels.
    public var kernelFolder: String?
    /// A folder of kernels that were compiled to PTX when this build was released (`make ptx`), for NVIDIA's drivers whose
    /// compiler refuses the instructions of tensor cores. They are tried before they are used, as all kernels are.
    public var ptxFolder: String?
    /// Whether an OpenCL device waits after every operation, so that an error names the one that failed.
    public var waitsAfterEveryOperation = false
    /// Whether the kernels of a batch are recorded once and enqueued at once afterwards, on an OpenCL device that has
    /// command buffers (cl_khr_command_buffer) and was found to compute right by them; where they take no more time than
    /// kernels that are enqueued one by one if nil. The results are the same bits.
    public var commandBuffers: Bool?
    /// Whether an OpenCL device keeps the time of each kernel, which makes launches slower.
    public var profiles = false
    /// Whether operations can be traced; see `trace(_:)`.
    package var tracesOperations = false
    /// How kernels are tried on an OpenCL device that this machine never saw. Nil tries them in this process, which a bad
    /// driver's compiler may end.
    public var deviceTrial: DeviceTrial?
    /// Told in one line when another device takes over, and when kernels are tried on one.
    public var notify: (@Sendable (Message) -> Void)?
    /// Replace those that the folder names.
    public var pixelStatistics: PixelStatistics?

    public init() {}

    /// Fails for a device that this machine does not have, and for kernels that do not take the precision, before a
    /// model is opened.
    public func checkDevice() throws(LeGradError) {
      try checkKernels()
      _ = try device.resolve(Devices.found(self), self)
    }

    /// Fails for kernels that do not take the precision.
    package func checkKernels() throws(LeGradError) {
      if let kernelVariant, let precision, !kernelVariant.takes(precision) {
        throw LeGradError(
          .usage,
          """
          \(Subject.kernelVariant) \(kernelVariant.rawValue) multiplies parts of 16 bits; expected \(Subject.precision) \
          bf16-split, bf16 or f16, found \(precision.rawValue)
          """)
      }
    }
  }

  public let model: Model
  /// Pixel statistics in use; nil if neither the folder nor the options give them.
  public let pixelStatistics: PixelStatistics?
  let room: EngineRoom
  let keptClassHead = KeptClassHead()
  /// The threads that work for this explainer.
  package let threadBudget: ThreadBudget

  /// Loads the vision tower onto a device.
  public convenience init(_ model: Model, options: Options = Options()) throws(LeGradError) {
    let options = options.withThreadBudget()
    self.init(model, options: options, room: try EngineRoom(model.source, options: options, devices: .found(options)))
  }

  /// Loads the vision tower onto one of `devices`.
  convenience init(_ model: Model, options: Options, devices: Devices) throws(LeGradError) {
    let options = options.withThreadBudget()
    self.init(model, options: options, room: try EngineRoom(model.source, options: options, devices: devices))
  }

  /// Loads the vision tower onto a backend of the caller's.
  package convenience init(
    _ model: Model, options: Options = Options(), backend: some Backend, variant: DeviceVariant?, reason: Message
  ) throws(LeGradError) {
    let device = DeviceDescription(name: backend.deviceDescription, variant: variant, reason: reason)
    self.init(
      model, options: options,
      room: try EngineRoom(model.source, options: options, backend: backend, device: device))
  }

  init(_ model: Model, options: Options, room: EngineRoom) {
    self.model = model
    self.room = room
    threadBudget = options.withThreadBudget().threadBudget ?? ThreadBudget(count: 1)
    pixelStatistics = options.pixelStatistics ?? model.pixelStatistics
  }

  /// The device in use and why, for people. It changes when another one takes over.
  public var device: DeviceDescription { room.current.device }
  public var precision: Precision { room.current.precision }

  /// Arithmetic operations per second of the device at its best, measured for a moment on what `explain` uses.
  public func measurePeak() throws(LeGradError) -> Double {
    do { return try room.current.engine.measurePeak() } catch { throw LeGradError(error) }
  }

  /// What moved between host and device so far.
  public var traffic: Traffic { room.current.engine.traffic }
  /// The most bytes of device memory in use at once; nil for the CPU backend, whose memory is the process's.
  public var peakBytes: Int? { room.current.engine.peakBytes }
  /// The bytes of device memory in use; nil for the CPU backend.
  package var bytesInUse: Int? { room.current.engine.bytesInUse }
  /// Device time by kernel, where the options ask for it.
  public var profile: [String: KernelTime] { room.current.engine.profile }

  /// Unit embeddings of prompts, through the model's tokenizer and text tower.
  ///
  /// Text is cleaned as the library does that wrote the folder: in OpenCLIP's folders as OpenCLIP does, in Hugging Face's
  /// as transformers does. A prompt that is longer than the context loses its end; `lengths` of the result says so.
  ///
  /// The text tower is read for the call and released after it: encode prompts together.
  public func encode(_ prompts: [String]) throws(LeGradError) -> TextEmbeddings {
    guard let text = model.configuration.text else { throw model.missingText() }
    let tokenizer = try model.tokenizer()
    let tokenized: [TokenizedPrompt]
    do throws(TokenizerError) {
      tokenized = try prompts.map { prompt throws(TokenizerError) in
        try tokenizer.tokenize(prompt, contextLength: text.contextLength)
      }
    } catch { throw LeGradError(error) }
    let source = model.source
    let rows: [Float] = try room.run { engine throws(LeGradError) in
      do throws(ModelError) {
        return try engine.encode(tokenized.map(\.ids), source: source, configuration: text)
      } catch { throw LeGradError(error) }
    }
    guard rows.allSatisfy(\.isFinite) else {
      throw LeGradError(.numerical, "the text tower produced values that are not finite; try \(Subject.precision) f32")
    }
    return TextEmbeddings(
      prompts: prompts, width: model.configuration.embeddingWidth, unitRows: rows,
      lengths: tokenized.map { PromptLength(tokens: $0.tokens, cut: $0.cut, cutsStart: $0.cutsStart) })
  }

  /// What pictures show, to look for in others: their own image embeddings.
  /// - Parameters:
  ///   - references: prepared by this explainer, of any size.
  ///   - names: one for each.
  /// - Throws: `usage` for a classifier, whose features are not compared.
  public func encode(references: [PreparedImage], names: [String]) throws(LeGradError) -> TextEmbeddings {
    guard model.configuration.classes == nil else {
      throw LeGradError(
        .usage,
        "\(model.name) is a classifier: it is asked for its classes; give \(Subject.explainedClasses) or nothing")
    }
    var rows: [Float] = []
    for picture in references {
      rows += try explain([picture], text: nil, methods: [.legrad()])[0][0].imageEmbedding
    }
    return try TextEmbeddings(rows: rows, width: model.configuration.embeddingWidth, prompts: names)
  }

  /// Explains images of one size in one batch by LeGrad; each gets the bits that it would get alone.
  /// - Parameters:
  ///   - images: prepared by this explainer.
  ///   - layers: the blocks that are summed.
  ///   - text: what to look for; nil gives image embeddings without maps.
  ///   - correction: SigLIP's suppression of what a text without content lights up; see `correction(threshold:)`.
  ///   - isCancelled: asked before each block; `true` ends the call with an error of kind `cancelled`.
  public func explain(
    _ images: [PreparedImage], text: TextEmbeddings?, layers: LayerSelection = .last(2),
    correction: EmptyTextCorrection? = nil, isCancelled: @escaping @Sendable () -> Bool = { false }
  ) throws(LeGradError) -> [Explanation] {
    try explain(
      images, text: text, methods: [.legrad(layers: layers)], correction: correction, isCancelled: isCancelled
    ).map { $0[0] }
  }

  /// Explains images of one size in one batch by several methods, which share the forward.
  /// - Parameters:
  ///   - images: prepared by this explainer.
  ///   - methods: each checked against the model before anything is computed.
  ///   - text: what to look for; nil gives image embeddings without maps.
  ///   - correction: SigLIP's suppression of what a text without content lights up in LeGrad's maps; see
  ///     `correction(threshold:)`.
  ///   - isCancelled: asked before each block; `true` ends the call with an error of kind `cancelled`.
  /// - Returns: for each image an explanation by each method.
  public func explain(
    _ images: [PreparedImage], text: TextEmbeddings?, methods: [Method], correction: EmptyTextCorrection? = nil,
    isCancelled: @escaping @Sendable () -> Bool = { false }
  ) throws(LeGradError) -> [[Explanation]] {
    guard let first = images.first else { return [] }
    guard images.allSatisfy({ $0.height == first.height && $0.width == first.width }) else {
      throw LeGradError(.usage, "a batch needs images of one size; explain other sizes in a call of their own")
    }
    let text = text ?? TextEmbeddings(prompts: [], width: model.configuration.embeddingWidth, unitRows: [])
    guard correction == nil || model.takesCorrection else {
      throw LeGradError(.usage, "\(model.name): only a SigLIP model's maps are corrected by a text without content")
    }
    guard text.count == 0 || (text.biases != nil) == (model.configuration.classes != nil) else {
      throw LeGradError(
        .usage,
        model.configuration.classes == nil
          ? "\(model.name) has no classes: it compares images with prompts; give \(Subject.prompt)"
          : "\(model.name) is a classifier: it is asked for its classes; give \(Subject.explainedClasses) or nothing")
    }
    for width in [text.width, correction?.embedding.width ?? text.width]
    where width != model.configuration.embeddingWidth {
      throw LeGradError(
        .input,
        "text embeddings have \(width) columns, \(model.name) has \(model.configuration.embeddingWidth); "
          + "encode the prompts with this model")
    }
    let blocks = try model.check(methods, prompts: text.count)
    let requests = zip(methods, blocks).map { method, blocks in
      let hasCorrection = text.count > 0 && correction != nil && method.isCorrected
      return MethodRequest(method: method, blocks: blocks, prompts: hasCorrection ? text.count + 1 : text.count)
    }
    let patch = model.configuration.vision.patchSize
    let grid = Grid(height: first.height / patch, width: first.width / patch)
    let explanations = try explain(
      images[...], grid, text: text, requests: requests, correction: text.count == 0 ? nil : correction,
      isCancelled: isCancelled)
    guard explanations.joined().allSatisfy(\.isFinite) else {
      throw LeGradError(
        .numerical,
        "\(model.name) produced values that are not finite; try \(Subject.precision) f32, or check the weights")
    }
    return explanations
  }

  /// Explains a batch, in halves where the whole exceeds the device's memory: each image gets the same bits.
  private func explain(
    _ images: ArraySlice<PreparedImage>, _ grid: Grid, text: TextEmbeddings, requests: [MethodRequest],
    correction: EmptyTextCorrection?, isCancelled: @escaping @Sendable () -> Bool
  ) throws(LeGradError) -> [[Explanation]] {
    let vision = model.configuration.vision
    let shape = VisionShape(images: images.count, grid: grid, leadingTokens: vision.leadingTokens)
    let rows = text.values + (correction?.embedding.values ?? [])
    let batch: RunResult
    do {
      batch = try room.run(
        { engine throws(LeGradError) in
          do throws(ModelError) {
            return try engine.explain(
              images, shape: shape, text: rows, requests: requests, isCancelled: isCancelled)
          } catch { throw LeGradError(error) }
        }, canShrink: images.count > 1)
    } catch  where error.kind == .memory && images.count > 1 {
      let middle = images.startIndex + images.count / 2
      var explanations: [[Explanation]] = []
      for half in [images[..<middle], images[middle...]] {
        explanations += try explain(
          half, grid, text: text, requests: requests, correction: correction, isCancelled: isCancelled)
      }
      return explanations
    }
    return images.enumerated().map { index, image in
      requests.indices.map { number in
        let isCorrected = requests[number].method.isCorrected
        return Explanation(
          requests[number], layerRelevance: text.count > 0 ? batch.relevance[number][index] : [],
          embedding: batch.embeddings[index], grid: grid, text: text, inputHeight: image.height,
          inputWidth: image.width, scaling: model.scalesCells && isCorrected ? .cells : .pixels,
          correction: isCorrected ? correction : nil)
      }
    }
  }
}
