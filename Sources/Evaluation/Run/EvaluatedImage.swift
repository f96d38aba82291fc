import Failures
import ImageFiles
import LeGrad

/// One image on its way through an evaluation.
struct EvaluatedImage: Sendable {
  let index: Int
  let id: String
  /// Why there will be no statistics.
  private(set) var failure: LeGradError?
  private(set) var task: ImageTask?
  /// At the model's input size, before normalisation.
  private(set) var squashed: RGBImage?
  private(set) var prepared: PreparedImage?
  /// What its file notes, and whether it was turned by that.
  let storedOrientation: ExifOrientation
  let isTurned: Bool
  private let classIndex: Int?
  /// As large as the input.
  private var mask: [UInt8]?
  private let points: [Int: [LabelledPoint]]
  /// What classification finds.
  var predicted: Int?
  /// By method.
  var explanations: [Explanation] = []
  /// The classes found in its copies: by method, by measure, by number.
  var answers: [Int] = []
  /// What computed it; two if another device took over.
  private(set) var device: String?

  /// An image that is bad from the start.
  init(index: Int, id: String, failure: LeGradError) {
    self.index = index
    self.id = id
    self.failure = failure
    classIndex = nil
    points = [:]
    (storedOrientation, isTurned) = (.upright, false)
  }

  init(index: Int, id: String, _ image: EvaluationImage, task: ImageTask, squashed: RGBImage, prepared: PreparedImage) {
    self.index = index
    self.id = id
    self.task = task
    self.squashed = squashed
    self.prepared = prepared
    classIndex = image.classIndex
    mask = image.mask?.resized(height: squashed.height, width: squashed.width).values
    points = image.points
    (storedOrientation, isTurned) = (image.storedOrientation, image.isTurned)
  }

  /// Memory that it takes until its row is there, explained by so many methods.
  func bytesHeld(methods: Int) -> Int {
    let maps = methods * (waitsForPrediction ? 1 : question.count)
    return (squashed?.pixels.count ?? 0) + (mask?.count ?? 0) + (prepared?.bytesHeld(maps: maps) ?? 0)
  }

  /// The classes that are explained.
  var question: [Int] {
    switch task?.question {
    case .classes(let classes): classes
    case .predicted: predicted.map { [$0] } ?? []
    case nil: []
    }
  }

  /// Whether its class has to be found before it can be explained.
  var waitsForPrediction: Bool {
    guard failure == nil, case .predicted? = task?.question else { return false }
    return true
  }

  /// Whether classification finds its class; nil where that is no question.
  var isCorrect: Bool? { task?.isClassified ?? false ? classIndex.map { $0 == predicted } : nil }

  /// Takes what was computed by `device`, or fails.
  mutating func take<Value>(
    _ result: Result<Value, LeGradError>, on device: String? = nil, _ keep: (inout Self, Value) -> Void
  ) {
    switch result {
    case .success(let value):
      keep(&self, value)
      guard let device else { return }
      self.device = self.device.map { $0 == device ? $0 : "\($0); \(device)" } ?? device
    case .failure(let error): failure = LeGradError(error.kind, "\(id): \(error)")
    }
  }

  /// What it adds, by method.
  /// - Parameter ids: of the classes.
  func statistics(ids: [String]) -> [ImageStatistics] {
    var answers = answers[...]
    return explanations.map { explanation in
      var statistics = ImageStatistics()
      for measure in task?.measures ?? [] {
        let image = ExplainedImage(
          explanation: explanation, question: question, ids: question.map { ids[$0] }, classIndex: classIndex,
          predicted: predicted, mask: mask, points: points, answers: Array(answers.prefix(measure.copies)))
        answers = answers.dropFirst(measure.copies)
        statistics.take(measure, of: image)
      }
      return statistics
    }
  }
}

extension ImageStatistics {
  fileprivate mutating func take<M: Measure>(_ measure: M, of image: ExplainedImage) {
    self[M.self] = measure.statistics(of: image)
  }
}
