import ArgumentParser
import ImageFiles
import LeGrad

struct ExplainCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "explain",
    abstract: "Show where in images a model finds prompts.",
    discussion: """
      For each image STEM and prompt number k, written into the output folder: STEM.overlay.k.png, \
      STEM.heatmap.k.png at the model's input size and, with --format npy, STEM.heatmaps.npy [prompts, height, width] \
      in [0, 1] and STEM.relevance.npy [prompts, rows, columns], the sum over layers before enlargement and scaling. \
      STEM.json is written last and says all that was computed and how. With several methods the names are \
      STEM.METHOD.overlay.k.png and so on; lrp's relevance has the size of the input.

      STEM is an image's name without its ending, below the folders that it has in a folder that was named. Where two \
      would be the same they have more of their folders, or their endings. A file that is named twice is explained once.

      An image that fails is listed and the rest are done; the exit code is then 1.
      """)

  @Argument(
    help: """
      Pictures (\(ImageFormat.list)), folders of them, patterns such as 'photos/*.jpg', or - for paths on standard \
      input, one a line or between zero bytes.
      """)
  var images: [String]

  @Flag(name: .shortAndLong, help: "Also take what lies in folders of folders.")
  var recursive = false

  @Option(
    name: [.customShort("p"), .long],
    help: """
      A text to look for, cleaned as the library does that wrote the model: OpenCLIP repairs Unicode and HTML, \
      transformers does not. What exceeds the model's context is cut. Repeat for more.
      """)
  var prompt: [String] = []

  @Option(help: "A text file with one prompt a line, after those of -p.", transform: requireName)
  var promptsFile: String?

  @Option(
    help: "A float32 .npy array [prompts, embedding] in place of prompts; rows are scaled to length 1.",
    transform: requireName)
  var textEmbeddings: String?

  @Option(
    name: .customLong("class"),
    help: "Of a classifier: a class to explain, by name or number. Repeat for more. (default: the most probable)")
  var classes: [String] = []

  @Option(help: "Of a classifier: explain so many of the most probable classes of each image.")
  var top: Int?

  @Option(help: "A picture that shows what to look for, in place of prompts. Repeat for more.", transform: requireName)
  var referenceImage: [String] = []

  @OptionGroup var opening: ModelOptions

  @OptionGroup var explaining: MethodOptions

  @Option(help: "Blocks that legrad sums over: all, last:N, or A..B (from 0, inclusive). (default: last:2)")
  var layers: LayerSelection?

  @Option(help: "What the model sees: native, N, or WIDTHxHEIGHT in pixels, multiples of its patch.")
  var size: InputSize = .native

  @Option(
    help:
      "squash: all of the image, both sides set; crop: its middle; fit: aspect kept; processor: as the model's library."
  )
  var resize: ResizeMode = .squash

  @OptionGroup var pixels: PixelOptions

  @OptionGroup var correcting: CorrectionOptions

  @OptionGroup var computing: DeviceOptions

  @Flag(help: Verification.help)
  var verify = false

  @Option(help: "Images computed together; bounds the memory, never the result.")
  var batchSize = ExplainRun.defaultBatchSize

  @Option(name: [.customShort("o"), .long], help: "The folder for the results.")
  var output = "legrad-out"

  @Option(help: "What to write: any of png,jpg,npy,json, or none; jpg has overlays alone.")
  var format = FormatList([.png, .json])

  @Flag(help: "Also write STEM.layers.npy, the relevance [layers, prompts, rows, columns] of each block.")
  var perLayer = false

  @Option(help: "Colours of the heatmap.")
  var colormap: Colormap = .viridis

  @Option(help: "The heatmap's share in the overlay, 0 to 1.")
  var alpha: Float = 0.6

  @Option(help: "Pixels that an overlay's longer side has at most, or original for the image's size.")
  var overlaySize = OverlaySize(side: 2048)

  @Option(
    help: ArgumentHelp(
      "Memory for images and results on their way, such as 2GiB; a quarter of what there is if not given.",
      valueName: "bytes"))
  var memory: ByteCount?

  @Flag(help: "Replace files of an earlier run.")
  var overwrite = false

  @Flag(help: "Print a JSON array with an element per image.")
  var json = false

  @Option(help: "Refuse images with more pixels.")
  var maxPixels = RGBImage.defaultPixelLimit

  @OptionGroup var decoding: DecodingOptions

  func validate() throws {
    try requirePositive(batchSize, "--batch-size", atMost: 65_536)
    try requirePositive(maxPixels, "--max-pixels")
    if let top { try requirePositive(top, "--top", atMost: 1_000) }
    if format.formats.contains(.jpg), overlaySize.side.map({ $0 > JPEGEncoder.sideLimit }) ?? false {
      throw ValidationError("--overlay-size: a JPEG's sides have at most \(JPEGEncoder.sideLimit) pixels")
    }
    guard (0...1).contains(alpha) else { throw ValidationError("--alpha \(alpha): expected a number from 0 to 1") }
    if images.contains("") { throw ValidationError("an image has an empty name") }
    try requireOutputName(output)
    try requireText(prompt, "--prompt")
    try requireText(classes, "--class")
  }

  func run() throws {
    let inputs = try InputList(images, recursive: recursive, output: output)
    inputs.remarks.forEach(Terminal.note)
    let prompts = try PromptSource(
      texts: prompt, file: promptsFile, embeddings: textEmbeddings, classes: classes, top: top,
      references: referenceImage)
    // Which methods are meant by all, and so which files, the model says.
    let opened = try explaining.choice.isAll ? opening.open() : nil
    let methods = try explaining.methods(layers: layers ?? .last(2), for: opened)
    let plan = try OutputPlan(
      images: inputs.paths, depths: inputs.items.map(\.depth), references: referenceImage, folder: output,
      formats: format.formats, perLayer: perLayer,
      prompts: prompts.count,
      overwrite: overwrite, methods: methods)
    let options = try computing.explainerOptions(pixels: pixels)
    try requireReadableImage(inputs.paths)
    try decoding.begin()
    let model = try opened ?? opening.open()
    try prompts.check(against: model)
    try model.check(size: size, resize: resize, methods: methods, prompts: prompts.count, options: options)
    noteUnusedOptions(methods)
    let correction = try correcting.source(for: model)
    var made: [String] = []
    if plan.hasFiles {
      made = try FileSystem.makeWritableFolder(output)
      for folder in plan.subfolders { made += try FileSystem.makeWritableFolder(plan.path(folder)) }
    }
    do {
      let isHashed = json || format.formats.contains(.json)
      let identity = Ahead { () throws(LeGradError) in try model.identity(hashed: isHashed) }
      let explainer = try Explainer(model, options: options)
      explainer.noteDevice(options.device)
      let question = try prompts.question(
        to: explainer, correction: correction, resize: resize, pixelLimit: maxPixels)
      question.noteCutPrompts()
      let verification =
        try verify
        ? Verification(of: explainer) { reference throws(LeGradError) in
          try prompts.question(to: reference, correction: correction, resize: resize, pixelLimit: maxPixels)
        } : nil
      let run = ExplainRun(
        explainer: explainer, question: question,
        identity: try identity.value(),
        writer: ExplanationWriter(
          plan: plan, overlay: Overlay(colormap: colormap, alpha: alpha), overlaySide: overlaySize.side),
        settings: .init(
          methods: methods, size: size, resize: resize, batchSize: batchSize, pixelLimit: maxPixels,
          memoryLimit: memory?.bytes),
        verification: verification)
      try ExplainPresentation(json: json, total: inputs.items.count).present(run)
    } catch {
      FileSystem.removeEmpty(made)
      throw error
    }
  }

  /// Options that some methods read, given without them.
  private func noteUnusedOptions(_ methods: [Method]) {
    func note<Setting: MethodSetting>(_ option: String, isGiven: Bool, _ setting: Setting.Type) {
      func reads(_ method: Method) -> Bool { method.setting(setting) != nil }
      guard isGiven, !methods.contains(where: reads) else { return }
      Terminal.note("\(option) is for \(Self.names(Method.all.filter(reads))) and changes nothing here")
    }
    let others = methods.filter { !$0.sumsLayers }
    if layers != nil, !others.isEmpty {
      let verb = others.count == 1 ? "uses" : "use"
      Terminal.note(
        "--layers is for \(Self.names(Method.all.filter(\.sumsLayers))); \(Self.names(others)) \(verb) the blocks of "
          + "the method's definition")
    }
    note("--per-layer", isGiven: perLayer, LayerSelection.self)
    note("--readout", isGiven: explaining.readout != .mean, Readout.self)
    note("--rollout-start", isGiven: explaining.choice.rolloutStart != RolloutStart.standard.block, RolloutStart.self)
    note("--textspan-baseline", isGiven: explaining.textspanBaseline != .none, TextBaseline.self)
  }

  private static func names(_ methods: [Method]) -> String { methods.map(\.name).joined(separator: ", ") }

  /// Without one image to explain there is no reason to load a model.
  private func requireReadableImage(_ images: [String]) throws {
    let reasons = images.map { FileSystem.unreadableReason($0) }
    guard reasons.allSatisfy({ $0 != nil }) else { return }
    var reports = JSONArrayStream()
    for (image, reason) in zip(images, reasons) {
      let message = "\(image): the image cannot be read: \(reason ?? "")"
      Terminal.error(message)
      if json { reports.append(FailureReport(image: image, error: message)) }
    }
    if json { reports.finish() }
    throw ExitStatus.someFailed
  }
}
