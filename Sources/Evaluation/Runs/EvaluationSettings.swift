public import LeGrad

/// What is asked of an evaluation, other than model and data.
public struct EvaluationSettings: Sendable {
  /// All share one forward.
  public var methods: [MethodConfiguration]
  public var evaluation: EvaluationProtocol
  /// Where an image has one class: masks and perturbation. Scenes of several objects are asked for the target always.
  public var explained: ExplainedClass
  public var segmentationThreshold: SegmentationThreshold = .mean
  /// Above which a point is predicted to be the class's.
  public var pointThreshold: Float = 0.5
  /// What the model sees; every image is squashed to it.
  public var size: InputSize = .native
  /// Images, or their perturbed copies, that are computed together; bounds the memory, never a bit of the result.
  public var batchSize = 8
  /// Of SigLIP's maps.
  public var correction: EmptyTextCorrection?

  public init(_ evaluation: EvaluationProtocol, methods: [MethodConfiguration], explained: ExplainedClass? = nil) {
    self.evaluation = evaluation
    self.methods = methods
    self.explained = explained ?? Self.defaultExplained(evaluation)
  }

  /// Masks are explained for the class that they show, perturbation for what the model sees.
  public static func defaultExplained(_ evaluation: EvaluationProtocol) -> ExplainedClass {
    switch evaluation {
    case .segmentation, .points: .target
    case .perturbation, .shapes: .predicted
    }
  }
}
