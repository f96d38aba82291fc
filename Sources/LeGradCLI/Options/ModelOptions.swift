import ArgumentParser
import LeGrad

struct ModelOptions: ParsableArguments {
  @Option(
    name: [.customShort("m"), .long],
    help: "A model folder in OpenCLIP or Hugging Face layout, or 'demo', the small model inside this program.")
  var model: String?

  /// The model that is named, else the bundled one, and says so.
  func open() throws(LeGradError) -> Model {
    if model == nil { Terminal.note("no -m given: using 'demo', the small model inside this program") }
    return try Model.open(model ?? "demo")
  }
}

extension Model {
  /// What reports call this model. With `hashed` every byte of its weight files is read.
  func identity(hashed: Bool = true) throws(LeGradError) -> ExplanationReport.ModelIdentity {
    .init(name: name, hash: hashed ? try fileHash() : nil)
  }

  /// Opens `demo`, the bundled model, or a folder.
  static func open(_ name: String) throws(LeGradError) -> Model {
    name == "demo" ? try demo() : try Model(folder: name)
  }
}
