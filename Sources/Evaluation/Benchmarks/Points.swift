import Failures
package import ImageFiles
package import LeGrad

/// Heatmaps at labelled points (methods §6.2). An image is explained for every class that it has points of.
package struct Points: Benchmark, Measure {
  package static let name = "points"
  package static let abstract = "Heatmaps at labelled points: p-mIoU, per class and per image."
  package static let columns = [
    Column("perClass", heading: "p-mIoU (classes)"), Column("perImage", heading: "p-mIoU (images)"),
  ]

  /// The points' classes.
  package private(set) var explained = ExplainedClass.target
  /// Above which a point is predicted to be the class's.
  @AsText package private(set) var threshold: Float

  enum CodingKeys: String, CodingKey {
    case explained
    case threshold = "pointThreshold"
  }

  package init(threshold: Float = 0.5) { self.threshold = threshold }

  package func filter(of model: Model) -> ResizeFilter { model.filter }

  package func task(of image: EvaluationImage) throws(LeGradError) -> ImageTask {
    guard !image.points.isEmpty else { throw image.lacks("points", remedy: "give some for every image") }
    return ImageTask(.classes(image.points.keys.sorted()), [self])
  }

  package func statistics(of image: ExplainedImage) -> [PointStatistics]? {
    image.question.enumerated().map { prompt, classIndex in
      PointStatistics(
        label: image.ids[prompt], points: image.points[classIndex] ?? [],
        heatmap: image.explanation.heatmap(prompt: prompt), threshold: threshold)
    }
  }

  package static func isPlausible(_ statistics: [PointStatistics]) -> Bool {
    statistics.allSatisfy(\.isPlausible)
  }

  package static func figures(_ statistics: [[PointStatistics]]) -> [Double]? {
    PointSummary(statistics).map { [$0.perClass, $0.perImage] }
  }

  package var reported: [String: any Encodable & Sendable] { ["explain": explained, "threshold": _threshold.number] }
  package var remarks: [String] { [remark, Self.orientationRemark] }
  package var remark: String {
    "points: IoU of points of the class, found where the heatmap exceeds \(threshold); summed over the data set per "
      + "class, or per image and class; the paper's code is not public, both ways of counting are given"
  }
}
