public import Compute
package import Failures
import Files
package import SafeTensors
import Synchronization
public import Tokenizers
public import VisionTransformer

/// A checkpoint that has been opened and checked; its weights are read when an `Explainer` loads them.
public struct Model: Sendable {
  /// The folder's name, `demo`, or the architecture.
  public let name: String
  public let configuration: ModelConfiguration
  let source: any WeightSource
  private let origin: Origin

  /// Where what is beside the weights comes from.
  private enum Origin: Sendable {
    case folder(ModelPlace, KeptTokenizer)
    /// The bundled model, whose files are gone once it is open.
    case bundled(any TextTokenizer, fileHash: String)
    /// Weights in the caller's memory, with the tokenizer that was given for them or why there is none.
    case memory(Result<any TextTokenizer, LeGradError>)
    case random
  }

  /// Opens a folder in OpenCLIP's, Hugging Face's or timm's layout.
  /// - Parameters:
  ///   - folder: the folder, a weight file in it, or a model of the hub's cache; see `ModelPlace.init(_:hubCache:)`.
  ///     Nothing is downloaded.
  ///   - hubCache: the folder of the cache that Hugging Face's hub keeps, in which names such as
  ///     `openai/clip-vit-base-patch32` are looked for.
  public init(folder: String, hubCache: String? = nil) throws(LeGradError) {
    let place: ModelPlace
    do { place = try ModelPlace(folder, hubCache: hubCache) } catch { throw LeGradError(error) }
    self.init(
      try Self.checkpoint(place.folder, weights: place.weights), name: place.name,
      origin: .folder(place, KeptTokenizer()))
  }

  /// The folder of the model's configuration; nil for one that has none.
  public var folder: String? {
    if case .folder(let place, _) = origin { place.folder } else { nil }
  }

  /// The bundled model: 96×96 pixels, patch 8, trained on drawings of coloured shapes.
  public static func demo() throws(LeGradError) -> Model {
    // Its files are removed on return, so that nothing is left behind however the program ends.
    let files = try EmbeddedModel()
    defer { extendLifetime(files) }
    let checkpoint = try checkpoint(files.folder)
    let tokenizer = try tokenizer(in: files.folder, checkpoint.configuration)
    return Model(checkpoint, name: "demo", origin: .bundled(tokenizer, fileHash: try fileHash(of: checkpoint)))
  }

  /// A model whose weights lie in memory, where they are read when an `Explainer` loads them.
  /// - Parameters:
  ///   - tensors: under the names that the model's library gives them.
  ///   - configuration: the text of its `open_clip_config.json` or `config.json`.
  ///   - preprocessor: the text of transformers' `preprocessor_config.json`.
  ///   - tokenizerFolder: where the tokenizer's files are, which are read at once; nil stands for OpenAI's vocabulary
  ///     where OpenCLIP's CLIPs have it, for none elsewhere.
  ///   - name: what reports and errors call the model.
  package init(
    tensors: any TensorStore, configuration: [UInt8], preprocessor: [UInt8]?, tokenizerFolder: String?, name: String
  ) throws(LeGradError) {
    let checkpoint: Checkpoint
    do {
      checkpoint = try Checkpoint(
        name: name, configuration: configuration, preprocessor: preprocessor, tensors: tensors)
    } catch { throw LeGradError(error) }
    let tokenizer: Result<any TextTokenizer, LeGradError> =
      if let tokenizerFolder {
        Result { () throws(LeGradError) in try Self.tokenizer(in: tokenizerFolder, checkpoint.configuration) }
      } else {
        Result { () throws(LeGradError) in try Self.standardTokenizer(checkpoint.configuration, name) }
      }
    self.init(checkpoint, name: name, origin: .memory(tokenizer))
  }

  /// The tokenizer that a model has without files of one.
  private static func standardTokenizer(
    _ configuration: ModelConfiguration, _ name: String
  ) throws(LeGradError) -> any TextTokenizer {
    guard configuration.layout == .openCLIP, configuration.text?.tokenization == .clip else {
      throw LeGradError(.input, "\(name): no tokenizer was given for it; give its folder, or \(Subject.textEmbeddings)")
    }
    do { return try CLIPTokenizer.openAI() } catch { throw LeGradError(error) }
  }

  /// An architecture with seeded random weights, for benchmarks: no tokenizer, the pixel statistics of its kind.
  public init(randomArchitecture architecture: String, seed: UInt64 = 0) throws(LeGradError) {
    do {
      let checkpoint = RandomCheckpoint(try Architecture(name: architecture), seed: seed)
      source = checkpoint
      configuration = checkpoint.configuration
    } catch { throw LeGradError(error, kind: .usage) }
    name = architecture
    origin = .random
  }

  /// A model of this configuration with random weights.
  package init(configuration: ModelConfiguration) {
    source = RandomCheckpoint(configuration: configuration)
    self.configuration = configuration
    name = "random"
    origin = .random
  }

  private init(_ checkpoint: Checkpoint, name: String, origin: Origin) {
    source = checkpoint
    configuration = checkpoint.configuration
    self.name = name
    self.origin = origin
  }

  private static func checkpoint(_ folder: String, weights: String? = nil) throws(LeGradError) -> Checkpoint {
    do { return try Checkpoint(folder: folder, weights: weights) } catch { throw LeGradError(error) }
  }

  private static func tokenizer(
    in folder: String, _ configuration: ModelConfiguration
  ) throws(LeGradError) -> any TextTokenizer {
    let convention: TokenizerConvention
    switch (configuration.text?.tokenization ?? .clip, configuration.layout) {
    case (.clip, .openCLIP), (.clip, .timm): convention = .openCLIP
    case (.clip, .huggingFace): convention = .clip
    case (.siglip, .openCLIP), (.siglip, .timm): convention = .openCLIPNamed(.canonicalize, stripsSeparator: false)
    case (.siglip, .huggingFace): convention = .siglip
    case (.siglip2, _): convention = .siglip2
    case (.named(let cleaning, let stripsSeparator), _):
      convention = .openCLIPNamed(PromptCleaning(rawValue: cleaning) ?? .whitespace, stripsSeparator: stripsSeparator)
    }
    do { return try folderTokenizer(folder, convention) } catch { throw LeGradError(error) }
  }

  private static func fileHash(of checkpoint: Checkpoint, cacheFolder: String? = nil) throws(LeGradError) -> String {
    do { return try checkpoint.fileHash(cacheFolder: cacheFolder) } catch { throw LeGradError(error) }
  }

  /// The tokenizer of the model's folder; needed for prompts in words only.
  /// - Throws: `.input` where there is none, or one whose ids and the rows of the text tower do not belong together.
  public func tokenizer() throws(LeGradError) -> any TextTokenizer {
    let tokenizer: any TextTokenizer
    switch origin {
    case .folder(let place, let kept):
      tokenizer = try kept.get { () throws(LeGradError) in try Self.tokenizer(in: place.folder, configuration) }
    case .bundled(let bundled, _): tokenizer = bundled
    case .memory(let given): tokenizer = try given.get()
    case .random:
      throw LeGradError(.input, "\(name): random weights have no tokenizer; give \(Subject.textEmbeddings)")
    }
    guard let rows = configuration.text?.vocabularySize else { return tokenizer }
    guard tokenizer.idCount <= rows, rows - tokenizer.idCount <= Self.unusedRowLimit(rows) else {
      throw LeGradError(
        .input,
        "\(name): the tokenizer (\(tokenizer.name)) has \(tokenizer.idCount) ids, the text tower \(rows) rows; use the "
          + "tokenizer that the model was trained with, or give \(Subject.textEmbeddings)")
    }
    return tokenizer
  }

  /// Rows of a token table that no id may lead to before the tokenizer is taken for another model's.
  ///
  /// Tables are rounded up: CLIPA has 32,000 rows for BERT's 30,522 ids, others are filled up to a multiple of a power
  /// of two. The vocabularies that could be mistaken for each other have 30,522, 32,000, 49,408, 250,000 and 256,000 ids:
  /// three quarters of the rows keep all apart but those two pairs that are as near as CLIPA's own.
  static func unusedRowLimit(_ rows: Int) -> Int { max(1_024, rows / 4) }

  /// Checks without reading weights that prompts in words can be encoded.
  public func checkText() throws(LeGradError) { try checkText(else: Self.textRemedy) }

  /// - Parameter remedy: what to give where there is no text tower.
  package func checkText(else remedy: Message) throws(LeGradError) {
    guard configuration.classes == nil else {
      throw LeGradError(.usage, "\(name) is a classifier: give \(Subject.explainedClasses) or nothing, not prompts")
    }
    guard configuration.text != nil else { throw missingText(else: remedy) }
    _ = try tokenizer()
  }

  package static let textRemedy: Message = "\(Subject.referenceImages) or \(Subject.textEmbeddings)"

  /// Why there is no text tower to read prompts with.
  package func missingText(else remedy: Message = textRemedy) -> LeGradError {
    guard let fault = (source as? Checkpoint)?.textFault else {
      return LeGradError(.usage, "\(name) has no text tower to read prompts: give \(remedy)")
    }
    return LeGradError(
      .input, "\(name): the text tower cannot be read: " + fault.message + "; give \(Subject.textEmbeddings)")
  }

  /// SHA-256 of the weight files in hexadecimal, which identifies the model in reports; nil for random weights.
  /// - Parameter cacheFolder: where it is kept, and found again as long as size, times and inode of the files are the
  ///   same; nil reads every byte of them.
  public func fileHash(cacheFolder: String? = nil) throws(LeGradError) -> String? {
    if case .bundled(_, let hash) = origin { return hash }
    guard let checkpoint = source as? Checkpoint, !checkpoint.store.files.isEmpty else { return nil }
    return try Self.fileHash(of: checkpoint, cacheFolder: cacheFolder)
  }

  /// What tells this model's files, as they are, from all others, without reading them; nil for a model without a folder,
  /// and where a file was written to a moment ago.
  package var fileStamps: [String]? {
    guard case .folder(let place, _) = origin, let names = try? FileTree.names(in: place.folder) else { return nil }
    let files = names.sorted().map { FileTree.join(place.folder, $0.text) }
    return FileHash.settledStamps(of: files).map { [place.weights ?? ""] + $0 }
  }

  /// The names of the files that `write` makes.
  /// - Throws: `.input` for a model that its library's folders cannot say.
  public var writtenFiles: [String] {
    get throws(LeGradError) {
      do { return try ModelWriter.files(of: configuration) } catch { throw LeGradError(error, kind: .input) }
    }
  }

  /// Writes the weights as a folder of the model's library in one storage type: OpenCLIP's, timm's, or transformers' for
  /// its vision transformers without a text tower. Nothing there is replaced unless `overwrite`.
  /// - Parameters:
  ///   - folder: made if it is missing.
  ///   - precision: how the weights are stored.
  ///   - overwrite: whether a model that is there is replaced.
  ///   - isCancelled: asked before each tensor; `true` ends the work with an error and leaves no file behind.
  public func write(
    to folder: String, as precision: Precision, overwrite: Bool = false,
    isCancelled: @escaping @Sendable () -> Bool = { false }
  ) throws(LeGradError) {
    let elementType: ElementType
    switch precision {
    case .f32: elementType = .f32
    case .f16: elementType = .f16
    case .bf16: elementType = .bf16
    case .bf16Split: throw LeGradError(.usage, "files hold f32, f16 or bf16, not \(precision.rawValue)")
    }
    do {
      try ModelWriter.write(
        CancellableSource(source: source, isCancelled: isCancelled), to: folder, elementType: elementType,
        overwrite: overwrite)
    } catch { throw LeGradError(error, kind: error.rule == .exists ? .usage : .input) }
  }

  /// What was found in the folder.
  public var summary: ModelSummary { ModelSummary(configuration: configuration, source: source) }
}

/// A folder's tokenizer, read when it is first asked for: the prompts are checked, and then encoded.
private final class KeptTokenizer: Sendable {
  private let tokenizer = Mutex<(any TextTokenizer)?>(nil)

  func get(_ read: () throws(LeGradError) -> any TextTokenizer) throws(LeGradError) -> any TextTokenizer {
    try tokenizer.withLock { kept throws(LeGradError) in
      if let kept { return kept }
      let tokenizer = try read()
      kept = tokenizer
      return tokenizer
    }
  }
}

/// Weights that stop coming when somebody says so.
private struct CancellableSource: WeightSource {
  let source: any WeightSource
  let isCancelled: @Sendable () -> Bool

  var configuration: ModelConfiguration { source.configuration }

  func floats(_ canonicalName: String) throws(CheckpointError) -> [Float] {
    guard !isCancelled() else {
      throw CheckpointError(
        .cannotWrite, file: canonicalName, place: "writing", expected: "all tensors", found: "a request to stop",
        remedy: "nothing was written")
    }
    return try source.floats(canonicalName)
  }

  func tokenEmbeddingRows(ids: [Int]) throws(CheckpointError) -> [Float] { try source.tokenEmbeddingRows(ids: ids) }
}

/// What a model's files hold.
public struct ModelSummary: Sendable {
  /// `openCLIP`, `huggingFace`, or `random` for generated weights.
  public let layout: String
  public let parameterCount: Int
  /// Parameters by the type that stores them, such as `F16`.
  public let storageTypes: [String: Int]
  public let weightFiles: [String]
  public let weightBytes: Int
  /// The keys that lead from the object that PyTorch saved to the weights, such as `["state_dict"]`; none elsewhere.
  public let weightKeys: [String]
  /// Tensors in the files that no tower uses.
  public let ignoredTensors: [String]

  init(configuration: ModelConfiguration, source: any WeightSource) {
    parameterCount = source.tensors.reduce(0) { $0 + $1.elementCount }
    guard let checkpoint = source as? Checkpoint else {
      layout = "random"
      storageTypes = [:]
      weightFiles = []
      weightBytes = 0
      weightKeys = []
      ignoredTensors = []
      return
    }
    layout = configuration.layout.rawValue
    storageTypes = Dictionary(
      uniqueKeysWithValues: checkpoint.storageTypes.map { ($0.key.rawValue, $0.value) })
    weightFiles = checkpoint.store.files
    weightBytes = checkpoint.store.totalBytes
    weightKeys = checkpoint.weightKeys
    ignoredTensors = checkpoint.ignoredTensors
  }
}
