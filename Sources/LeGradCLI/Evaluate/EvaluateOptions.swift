import ArgumentParser
public import Evaluation
import Failures
import Files
import LeGrad
import VisionTransformer

extension ExplainedClass: ExpressibleByArgument {}
extension SegmentationThreshold: ExpressibleByArgument {}

/// When rows are on the disk, as the option has it.
enum RowSync: String, CaseIterable, ExpressibleByArgument, Sendable {
  case row
  case fiveSeconds = "5s"
  case none

  var records: RecordSync {
    switch self {
    case .row: .everyRecord
    case .fiveSeconds: .everyFiveSeconds
    case .none: .never
    }
  }
}

extension Shard: ExpressibleByArgument {
  public static var allValueStrings: [String] { ["I/N, such as 0/4"] }
}

/// What every evaluation can be told.
struct EvaluateOptions: ParsableArguments {
  @OptionGroup var opening: ModelOptions

  @OptionGroup var choice: MethodChoice

  @Option(help: "Blocks that legrad sums over: all, last:N, or A..B. Several with commas are several rows.")
  var layers: ValueList<LayerSelection>?

  @Option(help: "The token that a block's score reads in legrad: mean or cls. Both with a comma are several rows.")
  var readout: ValueList<Readout>?

  @Option(
    help: ArgumentHelp(
      """
      What is asked of a class, {} being its name; classifiers are asked for their own classes. Repeat for more, \
      whose embeddings are averaged. (default: \
      '\(PromptTemplates.standard.texts[0])', of the bundled model '\(PromptTemplates.bundledModel.texts[0])')
      """, valueName: "text"))
  var template: [String] = []

  @Option(help: "A text file with one template a line.", transform: requireName)
  var templates: String?

  @Option(help: "A float32 .npy array [classes, embedding] in place of templates.", transform: requireName)
  var textEmbeddings: String?

  @Option(help: "What the model sees: native, N, or WIDTHxHEIGHT in pixels, multiples of its patch.")
  var size: InputSize = .native

  @OptionGroup var pixels: PixelOptions

  @OptionGroup var decoding: DecodingOptions

  @OptionGroup var correcting: CorrectionOptions

  @OptionGroup var computing: DeviceOptions

  @Option(help: "Images, or their perturbed copies, computed together; bounds the memory, never the result.")
  var batchSize = 8

  @Option(
    help: ArgumentHelp(
      "Memory for images and maps on their way, such as 2GiB; a quarter of what there is if not given.",
      valueName: "bytes"))
  var memory: ByteCount?

  @Option(
    name: [.customShort("o"), .long],
    help: "The folder for rows and report. (default: legrad-evaluation/PROTOCOL-RUN)")
  var output: String?

  @Option(help: "Compute part I of N; 'legrad merge' puts the parts together. Also from the scheduler's environment.")
  var shard: Shard?

  @Option(
    help: """
      What a power cut may cost: no row that is counted (row), those since the last five seconds' (5s), or what the system \
      has not written yet (none). A process that ends costs none.
      """)
  var sync: RowSync = .fiveSeconds

  @Flag(help: "Go on with a run that was interrupted.")
  var resume = false

  @Flag(help: "Report on rows of different devices together, which may differ in their last bits.")
  var allowMixedDevices = false

  @Flag(help: "Print the report as JSON: an object for one method, an array for several.")
  var json = false

  func validate() throws {
    try requirePositive(batchSize, "--batch-size", atMost: 65_536)
    try requireOutputName(output)
    try requireText(template, "--template")
    if [!template.isEmpty, templates != nil, textEmbeddings != nil].count(where: \.self) > 1 {
      throw ValidationError("--template, --templates and --text-embeddings exclude each other; give one")
    }
  }

  /// The rows of the table.
  /// - Parameter gridForAll: whether `--method all` has legrad with every usual choice of layers and read-out, unless
  ///   they are given.
  func methods(for model: Model, gridForAll: Bool) throws -> [Method] {
    let isGrid = gridForAll && choice.isAll && layers == nil && readout == nil
    let vision = model.configuration.vision
    let layers = layers?.values ?? (isGrid ? [.last(1), .last(2), .all] : [.last(2)])
    let readouts = readout?.values ?? (isGrid && vision.pooling == .classToken ? [.mean, .cls] : [.mean])
    return try choice.methods(for: model).flatMap { method -> [Method] in
      guard method.sumsLayers else { return [method] }
      return readouts.flatMap { readout in layers.map { method.told($0).told(readout) } }
    }
  }

  /// What is asked of a class; nil where rows are given, and for a classifier, which has classes of its own.
  func promptTemplates(for model: Model) throws(LeGradError) -> PromptTemplates? {
    if model.configuration.classes != nil {
      let options = [
        ("--template", !template.isEmpty), ("--templates", templates != nil),
        ("--text-embeddings", textEmbeddings != nil),
      ]
      if let (option, _) = options.first(where: { $0.1 }) {
        throw .usage("\(option): \(model.name) is a classifier, which is asked for its own classes; leave it out")
      }
      return nil
    }
    if textEmbeddings != nil { return nil }
    if let templates { return try PromptTemplates(file: templates) }
    if !template.isEmpty { return try PromptTemplates(template) }
    return model.name == "demo" ? .bundledModel : .standard
  }
}
