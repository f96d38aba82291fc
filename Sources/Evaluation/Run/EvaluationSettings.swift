package import Failures
package import LeGrad

/// What is asked of an evaluation, other than model and data.
package struct EvaluationSettings: Sendable {
  package var benchmark: any Benchmark
  /// All share one forward.
  package var methods: [MethodConfiguration]
  /// What the model sees; every image is squashed to it.
  package var size: InputSize = .native
  /// Images, or their copies, that are computed together; bounds the memory, never a bit of the result.
  package var batchSize = 8
  /// Of SigLIP's maps.
  package var correction: EmptyTextCorrection?

  /// What rows of images that failed call the subjects of their messages.
  package var names: @Sendable (Subject) -> String = \.rawValue

  package init(_ benchmark: any Benchmark, methods: [MethodConfiguration]) {
    self.benchmark = benchmark
    self.methods = methods
  }
}
