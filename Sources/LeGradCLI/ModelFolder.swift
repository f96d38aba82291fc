import VisionTransformer

extension Architecture {
  /// For help texts.
  static var names: String { allCases.map(\.rawValue).joined(separator: ", ") }
}

extension ModelWriter {
  /// What a written model consists of.
  static var files: [String] { [weightFile, configurationFile] }
}
