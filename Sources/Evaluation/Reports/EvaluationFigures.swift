/// A method's figures over some of the images, as fractions; nil where the protocol has none.
public struct EvaluationFigures: Equatable, Sendable {
  /// Images that are part of the figures.
  public let images: Int
  /// Images whose class zero-shot classification finds, among those that are classified.
  public let accuracy: Double?
  public let segmentation: SegmentationSummary?
  public let points: PointSummary?
  public let perturbation: PerturbationSummary?

  /// Reduces the statistics of one method, in the order given; nil without rows.
  /// - Parameter classified: whether to say how many are classified correctly.
  init?(_ rows: [EvaluationRow], method: Int, classified: Bool = true) {
    guard !rows.isEmpty else { return nil }
    images = rows.count
    let answers = classified ? rows.compactMap(\.isCorrect) : []
    accuracy = answers.isEmpty ? nil : Double(answers.count { $0 }) / Double(answers.count)
    let statistics = rows.map { $0.statistics[method] }
    segmentation = SegmentationSummary(statistics.compactMap(\.segmentation))
    points = PointSummary(statistics.compactMap(\.points))
    perturbation = PerturbationSummary(statistics.compactMap(\.perturbation))
  }

  /// All figures by their names in JSON and CSV, in the order of the tables.
  private static let all: [(name: String, value: @Sendable (Self) -> Double?)] = [
    ("pixelAccuracy", { $0.segmentation?.pixelAccuracy }), ("mIoU", { $0.segmentation?.mIoU }),
    ("mAP", { $0.segmentation?.mAP }), ("perClass", { $0.points?.perClass }), ("perImage", { $0.points?.perImage }),
    ("positiveAUC", { $0.perturbation?.positiveAUC }), ("negativeAUC", { $0.perturbation?.negativeAUC }),
    ("accuracy", { $0.accuracy }),
  ]

  static let names = all.map(\.name)

  /// The figures that there are, in the order of the tables.
  public var named: [(name: String, value: Double)] {
    Self.all.compactMap { name, value in value(self).map { (name, $0) } }
  }

  subscript(name: String) -> Double? { named.first { $0.name == name }?.value }

  /// What tables call a figure.
  static func heading(_ name: String) -> String {
    switch name {
    case "pixelAccuracy": "pixel accuracy"
    case "perClass": "p-mIoU (classes)"
    case "perImage": "p-mIoU (images)"
    case "positiveAUC": "positive AUC ↓"
    case "negativeAUC": "negative AUC ↑"
    default: name
    }
  }
}
