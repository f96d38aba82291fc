import ArgumentParser
import Compute
import Failures
import LeGrad
import Tokenizers
import VisionTransformer

struct ModelInfoCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "info", abstract: "Say what a model is and whether everything it needs is there.")

  @Option(
    name: [.customShort("m"), .long],
    help: "A model folder, a weight file in it, a name in the hub's cache, or 'demo'.", transform: requireName)
  var model: String

  @Flag(help: "Print a JSON object.")
  var json = false

  func run() throws {
    let report = try ModelReport(Model.open(model))
    Terminal.out(json ? JSONText.encode(report) : report.lines.joined(separator: "\n"))
  }
}

struct ModelReport: Codable, Sendable {
  struct Vision: Codable, Sendable {
    let layers, width, heads, mlpWidth, patchSize, imageWidth, imageHeight: Int
    let activation: String
    /// Whether the MLPs are gated.
    let gated: Bool
    /// Tokens beside the class token that no map shows.
    let registers: Int
    /// `learned`, `rotary` or both.
    let positions: [String]
    /// How the image's embedding comes from the tokens.
    let pooling: String
    /// The grid of the positions in the weights; absent where there are none that are learned.
    let positionsWidth, positionsHeight: Int?
  }

  struct Text: Codable, Sendable {
    let layers, width, heads, mlpWidth, contextLength, vocabularySize: Int
    let activation: String
  }

  struct Preprocessing: Codable, Sendable {
    let mean, std: [Double]?
    let interpolation, resizeMode: String
    /// What the folder does not say and `explain` must be given.
    let missing: [String]
  }

  let name: String
  /// Where the configuration lies; absent for the bundled model.
  let folder: String?
  let layout: String
  let files: [String]
  let fileBytes: Int
  /// The keys under which a file of PyTorch's has the weights; none where they are the object that was saved.
  let weightKeys: [String]
  /// SHA-256 of the weight files, one after the other.
  let hash: String?
  let embeddingWidth: Int
  let vision: Vision
  /// The classes of a classifier.
  let classes: [String]?
  let text: Text?
  /// Why there is no text tower to use, where there is none.
  let textProblem: String?
  let preprocessing: Preprocessing
  /// Its kind; absent where there is none that can be used.
  let tokenizer: String?
  let tokenizerProblem: String?
  let parameters: Int
  /// Parameters by the type that stores them.
  let storageTypes: [String: Int]
  let ignoredTensors: [String]

  init(_ model: Model) throws(LeGradError) {
    let summary = model.summary
    let configuration = model.configuration
    let vision = configuration.vision
    name = model.name
    folder = model.folder
    layout = summary.layout
    files = summary.weightFiles.map(FileSystem.name(of:))
    fileBytes = summary.weightBytes
    weightKeys = summary.weightKeys
    hash = try model.fileHash()
    embeddingWidth = configuration.embeddingWidth
    self.vision = Vision(
      layers: vision.layers, width: vision.width, heads: vision.heads, mlpWidth: vision.mlpWidth,
      patchSize: vision.patchSize, imageWidth: vision.imageWidth, imageHeight: vision.imageHeight,
      activation: vision.activation.rawValue, gated: vision.mlp == .gated, registers: vision.registers,
      positions: (vision.positions == nil ? [] : ["learned"]) + (vision.rotary == nil ? [] : ["rotary"]),
      pooling: vision.pooling.words,
      positionsWidth: vision.positions?.width, positionsHeight: vision.positions?.height)
    classes = configuration.classes
    textProblem = configuration.text == nil ? model.missingText().message.advice : nil
    text = configuration.text.map {
      Text(
        layers: $0.layers, width: $0.width, heads: $0.heads, mlpWidth: $0.mlpWidth, contextLength: $0.contextLength,
        vocabularySize: $0.vocabularySize, activation: $0.activation.rawValue)
    }
    let steps = configuration.preprocessing
    preprocessing = Preprocessing(
      mean: steps.mean, std: steps.std, interpolation: steps.interpolation.rawValue,
      resizeMode: steps.resizeMode.rawValue,
      missing: (steps.mean == nil ? ["mean"] : []) + (steps.std == nil ? ["std"] : []))
    var (tokenizer, problem): (String?, String?)
    do throws(LeGradError) {
      if text != nil {
        let found = try model.tokenizer()
        tokenizer = "\(found.name), \(found.idCount) ids"
      }
    } catch { problem = error.message.advice }
    (self.tokenizer, tokenizerProblem) = (tokenizer, problem)
    parameters = summary.parameterCount
    storageTypes = summary.storageTypes
    ignoredTensors = summary.ignoredTensors
  }

  /// Lines for people.
  var lines: [String] {
    let types = storageTypes.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value.grouped)" }
    let keys = weightKeys.isEmpty ? "" : ", under " + weightKeys.map { "\"\($0)\"" }.joined(separator: ", ")
    let facts: [[String]?] = [
      ["model", name], folder.map { ["folder", $0] }, ["layout", layout],
      ["weights", "\(files.joined(separator: ", "))\(keys) (\(fileBytes.asBytes))"], ["sha256", hash ?? ""],
      ["parameters", "\(parameters.grouped), stored as \(types.joined(separator: ", "))"],
      [classes == nil ? "embedding" : "features", "\(embeddingWidth)"],
      ["vision", visionLine], resampledPositions.map { ["positions", $0] }, ["pooling", vision.pooling],
      classes.map { ["classes", Self.shortened($0)] },
      classes == nil ? ["text", textLine] : nil,
      text == nil ? nil : ["tokenizer", tokenizer ?? "none for -p: \(tokenizerProblem ?? "")"],
      ["mean", preprocessing.mean.map(Self.list) ?? "missing: give --mean and --std"],
      ["std", preprocessing.std.map(Self.list) ?? "missing: give --mean and --std"],
      ["resize", "\(preprocessing.resizeMode), \(preprocessing.interpolation)"],
      ["ignored", ignoredTensors.isEmpty ? "no tensors" : ignoredTensors.joined(separator: ", ")],
    ]
    var table = ColumnTable()
    for fact in facts.compactMap({ $0 }) { table.append([fact[0], fact[1].printable]) }
    return table.lines()
  }

  private var visionLine: String {
    let gated = vision.gated ? " gated" : ""
    let registers = vision.registers > 0 ? "\(vision.registers) registers, " : ""
    return "\(vision.layers) blocks of width \(vision.width), \(vision.heads) heads, MLP \(vision.mlpWidth)\(gated), "
      + "\(vision.activation), \(vision.positions.joined(separator: " and ")) positions, \(registers)"
      + "\(vision.imageWidth)×\(vision.imageHeight) pixels in patches of \(vision.patchSize)"
  }

  private var textLine: String {
    guard let text else { return "none for -p: \(textProblem ?? "")" }
    return "\(text.layers) blocks of width \(text.width), \(text.heads) heads, MLP \(text.mlpWidth), "
      + "\(text.activation), \(text.contextLength) of \(text.vocabularySize.grouped) tokens"
  }

  private static func shortened(_ classes: [String]) -> String {
    "\(classes.count): \(classes.prefix(3).joined(separator: "; "))\(classes.count > 3 ? "; …" : "")"
  }

  private var resampledPositions: String? {
    guard let width = vision.positionsWidth, let height = vision.positionsHeight else { return nil }
    return Self.resampled(
      from: (width, height), to: (vision.imageWidth / vision.patchSize, vision.imageHeight / vision.patchSize))
  }

  /// What is said of positions that the weights have for another grid than the input's; nil where it is the same.
  static func resampled(
    from table: (width: Int, height: Int), to grid: (width: Int, height: Int)
  ) -> String? {
    guard table != grid else { return nil }
    return "\(table.width)×\(table.height) patches in the weights, resampled to the configuration's "
      + "\(grid.width)×\(grid.height)"
  }

  private static func list(_ values: [Double]) -> String { values.map { "\($0)" }.joined(separator: ", ") }
}

extension VisionConfiguration.Pooling {
  /// For people.
  fileprivate var words: String {
    switch self {
    case .classToken: "the class token"
    case .average: "the mean of the patches"
    case .unpooled: "none: the mean token stands in"
    case .map: "an attention pooler with an MLP (SigLIP)"
    case .classAndPatches: "the class token and the mean of the patches"
    case .classAndDistillation: "the class token and the distillation token"
    case .queries(let count, let heads): "an attention pooler of \(count) queries and \(heads) heads (CoCa)"
    }
  }
}
