public import Failures
public import LeGrad

/// What is asked of an evaluation, other than model and data.
public struct EvaluationSettings: Sendable {
  public var benchmark: any Benchmark
  /// All share one forward.
  public var methods: [MethodConfiguration]
  /// What the model sees; every image is squashed to it.
  public var size: InputSize = .native
  /// Images, or their copies, that are computed together; bounds the memory, never a bit of the result.
  public var batchSize = 8
  /// Of SigLIP's maps.
  public var correction: EmptyTextCorrection?

  /// What rows of images that failed call the subjects of their messages.
  public var names: @Sendable (Subject) -> String = \.rawValue

  public init(_ benchmark: any Benchmark, methods: [MethodConfiguration]) {
    self.benchmark = benchmark
    self.methods = methods
  }
}
