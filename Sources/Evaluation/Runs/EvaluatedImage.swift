import ImageFiles
import LeGrad

/// One image on its way through an evaluation.
struct EvaluatedImage {
  enum Task {
    case segmentation, points, perturbation
  }

  let index: Int
  let id: String
  /// Why there will be no statistics.
  var failure: EvaluationError?
  var tasks: Set<Task> = []
  /// At the model's input size, before normalisation.
  var squashed: RGBImage?
  var prepared: PreparedImage?
  var classIndex: Int?
  /// Of the input's size.
  var mask: [UInt8]?
  var points: [Int: [LabelledPoint]] = [:]
  /// What zero-shot classification finds.
  var predicted: Int?
  /// The classes that are explained.
  var question: [Int] = []
  /// By method.
  var explanations: [Explanation] = []
  var perturbations: [PerturbationStatistics] = []
  /// What computed it; two if another device took over.
  private(set) var device: String?

  init(index: Int, id: String, failure: EvaluationError? = nil) {
    self.index = index
    self.id = id
    self.failure = failure
  }

  mutating func fail(_ error: EvaluationError) {
    failure = EvaluationError(error.kind, "\(id): \(error.description)")
  }

  mutating func take(_ explanations: [Explanation], on device: String) {
    self.explanations = explanations
    computed(on: device)
  }

  mutating func computed(on device: String) {
    if let before = self.device, before != device {
      self.device = "\(before); \(device)"
    } else {
      self.device = device
    }
  }

  /// Gives back the memory.
  mutating func release() {
    squashed = nil
    prepared = nil
    mask = nil
    explanations = []
  }
}
