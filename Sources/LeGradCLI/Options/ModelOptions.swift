import ArgumentParser
import LeGrad
import VisionTransformer

struct ModelOptions: ParsableArguments {
  @Option(
    name: [.customShort("m"), .long],
    help: """
      A model folder in OpenCLIP, Hugging Face or timm layout, a weight file in it, the name of a model in the hub's cache (HF_HUB_CACHE) \
      (ORGANISATION/NAME or ORGANISATION/NAME@REVISION, never downloaded), or 'demo', the small model inside this program.
      """, transform: requireName)
  var model: String?

  /// The model that is named, else the bundled one, and says so.
  func open() throws(LeGradError) -> Model {
    if model == nil { Terminal.note("no -m given: using 'demo', the small model inside this program") }
    let model = try Model.open(model ?? "demo")
    if let grids = model.resampledPositions { Terminal.note("\(model.name): positions of \(grids)") }
    return model
  }
}

extension Model {
  /// What reports call this model. With `hashed` every byte of its weight files is read, unless the cache knows them.
  func identity(hashed: Bool = true) throws(LeGradError) -> ExplanationReport.ModelIdentity {
    .init(name: name, hash: hashed ? try fileHash(cacheFolder: Environment.cacheFolder) : nil)
  }

  /// Opens `demo`, the bundled model, or a folder.
  static func open(_ name: String) throws(LeGradError) -> Model {
    name == "demo" ? try demo() : try Model(folder: name, hubCache: Environment.hubCache)
  }

  /// The grid of the positions in the weights and that of the model's input, where these differ.
  var resampledPositions: String? {
    let vision = configuration.vision
    return vision.positions.flatMap {
      ModelReport.resampled(from: ($0.width, $0.height), to: (vision.gridWidth, vision.gridHeight))
    }
  }
}
