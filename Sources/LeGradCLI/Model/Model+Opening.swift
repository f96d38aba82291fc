import Failures
import LeGrad
import VisionTransformer

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
