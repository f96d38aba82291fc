package import LeGrad

/// The other three on scenes that are drawn: masks and points of scenes with several objects, perturbation of scenes
/// with one.
package struct Shapes: Benchmark {
  package static let name = "shapes"
  package static let abstract = "All three benchmarks on drawn scenes, with no files."

  /// In scenes with one object. Of several objects only the target is one that can be asked for.
  package let explained: ExplainedClass
  package let segmentationThreshold: SegmentationThreshold
  @AsText package private(set) var pointThreshold: Float

  package init(
    explained: ExplainedClass = .predicted, segmentationThreshold: SegmentationThreshold = .mean,
    pointThreshold: Float = 0.5
  ) {
    self.explained = explained
    self.segmentationThreshold = segmentationThreshold
    self.pointThreshold = pointThreshold
  }

  private var segmentation: Segmentation { Segmentation(explained: .target, threshold: segmentationThreshold) }
  private var points: Points { Points(threshold: pointThreshold) }
  private var perturbation: Perturbation { Perturbation(explained: explained) }

  package var measures: [[any Measure]] { [[segmentation, points], [perturbation]] }

  package func task(of image: EvaluationImage) throws(LeGradError) -> ImageTask {
    // A scene of one object has no mask: there is nothing to tell it from.
    guard image.mask != nil else { return try perturbation.task(of: image) }
    let tasks = [try segmentation.task(of: image), try points.task(of: image)]
    // With several objects, several classes are right.
    return ImageTask(tasks[0].question, tasks.flatMap(\.measures), isClassified: false)
  }

  package var reported: [String: any Encodable & Sendable] {
    ["explain": explained, "threshold": segmentationThreshold, "pointThreshold": _pointThreshold.number]
  }

  package var remarks: [String] {
    [
      "scenes are drawn; masks and points are those of one object among two to four, the class explained is its own; "
        + "perturbation is of scenes with one object, the class explained is the \(explained.rawValue) one"
    ] + measures.joined().map(\.remark)
  }
}
