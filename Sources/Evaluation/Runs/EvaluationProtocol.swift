/// What is measured (methods §6).
public enum EvaluationProtocol: String, Sendable, CaseIterable {
  /// Masks (§6.1).
  case segmentation
  /// Labelled points (§6.2).
  case points
  /// What is still recognised when pixels turn black (§6.3).
  case perturbation
  /// All three on scenes that are drawn: masks and points of scenes with several objects, perturbation of scenes with one.
  case shapes
}

/// Which class of an image is explained where it has one.
public enum ExplainedClass: String, Sendable, CaseIterable {
  /// The one that the data set says.
  case target
  /// The one that zero-shot classification finds.
  case predicted
}
