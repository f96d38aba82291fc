public import Compute
import SafeTensors
public import Tokenizers
public import VisionTransformer

/// A checkpoint that has been opened and checked; its weights are read when an `Explainer` loads them.
public struct Model: Sendable {
  /// The folder's name, `demo`, or the architecture.
  public let name: String
  public let configuration: ModelConfiguration
  let source: any WeightSource
  /// Where the tokenizer is; nil for random weights.
  private let folder: String?
  /// Keeps the bundled model's files as long as the model.
  private let embedded: EmbeddedModel?

  /// Opens a folder in OpenCLIP's or Hugging Face's layout.
  public init(folder: String) throws(LeGradError) {
    let trimmed = folder.split(separator: "/").last.map(String.init)
    try self.init(folder: folder, name: trimmed ?? folder, embedded: nil)
  }

  /// The bundled model: 96×96 pixels, patch 8, trained on drawings of coloured shapes.
  public static func demo() throws(LeGradError) -> Model {
    let embedded = try EmbeddedModel()
    return try Model(folder: embedded.folder, name: "demo", embedded: embedded)
  }

  /// An architecture with seeded random weights, for benchmarks: no tokenizer, OpenAI's pixel statistics.
  public init(randomArchitecture architecture: String, seed: UInt64 = 0) throws(LeGradError) {
    do {
      let checkpoint = RandomCheckpoint(try Architecture(name: architecture), seed: seed)
      source = checkpoint
      configuration = checkpoint.configuration
    } catch { throw LeGradError(.usage, error.description) }
    name = architecture
    folder = nil
    embedded = nil
  }

  private init(folder: String, name: String, embedded: EmbeddedModel?) throws(LeGradError) {
    do {
      let checkpoint = try Checkpoint(folder: folder)
      source = checkpoint
      configuration = checkpoint.configuration
    } catch { throw LeGradError(.input, error.description) }
    self.name = name
    self.folder = folder
    self.embedded = embedded
  }

  /// The tokenizer of the model's folder; needed for prompts in words only.
  public func tokenizer() throws(LeGradError) -> CLIPTokenizer {
    guard let folder else {
      throw LeGradError(.input, "\(name): random weights have no tokenizer; give --text-embeddings")
    }
    let tokenizer: CLIPTokenizer
    do { tokenizer = try CLIPTokenizer.load(folder: folder) } catch { throw LeGradError(.input, error.description) }
    if let text = configuration.text, tokenizer.idCount > text.vocabularySize {
      throw LeGradError(
        .input,
        "\(name): the tokenizer has ids up to \(tokenizer.idCount - 1), the text tower \(text.vocabularySize) rows; "
          + "use the tokenizer that belongs to the model")
    }
    return tokenizer
  }

  /// SHA-256 of the weight files in hexadecimal, which identifies the model in reports; nil for random weights.
  /// Reads every byte of them.
  public func fileHash() throws(LeGradError) -> String? {
    guard let checkpoint = source as? Checkpoint else { return nil }
    do { return try checkpoint.fileHash() } catch { throw LeGradError(.input, error.description) }
  }

  /// Writes the weights as an OpenCLIP folder in one storage type; nothing there is replaced unless `overwrite`.
  public func write(to folder: String, as precision: Precision, overwrite: Bool = false) throws(LeGradError) {
    let elementType: ElementType =
      switch precision {
      case .f32: .f32
      case .f16: .f16
      case .bf16: .bf16
      }
    do {
      try ModelWriter.write(source, to: folder, elementType: elementType, overwrite: overwrite)
    } catch { throw LeGradError(error.kind == .exists ? .usage : .input, error.description) }
  }

  /// What was found in the folder.
  public var summary: ModelSummary { ModelSummary(configuration: configuration, source: source) }
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
  /// Tensors in the files that no tower uses.
  public let ignoredTensors: [String]

  init(configuration: ModelConfiguration, source: any WeightSource) {
    parameterCount = source.tensors.reduce(0) { $0 + $1.elementCount }
    guard let checkpoint = source as? Checkpoint else {
      layout = "random"
      storageTypes = [:]
      weightFiles = []
      weightBytes = 0
      ignoredTensors = []
      return
    }
    layout = configuration.layout.rawValue
    storageTypes = Dictionary(
      uniqueKeysWithValues: checkpoint.storageTypes.map { ($0.key.rawValue, $0.value) })
    weightFiles = checkpoint.store.files
    weightBytes = checkpoint.store.totalBytes
    ignoredTensors = checkpoint.ignoredTensors
  }
}
