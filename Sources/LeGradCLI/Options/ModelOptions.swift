import ArgumentParser
import Failures
import LeGrad

/// Which model.
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
