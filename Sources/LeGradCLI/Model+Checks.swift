import LeGrad
import VisionTransformer

extension Model {
  /// What reports call this model. Reads every byte of its weight files.
  func identity() throws(LeGradError) -> ExplanationReport.ModelIdentity {
    .init(name: name, hash: try fileHash())
  }

  /// Opens `demo`, the bundled model, or a folder.
  static func open(_ name: String) throws(LeGradError) -> Model {
    name == "demo" ? try demo() : try Model(folder: name)
  }
}
