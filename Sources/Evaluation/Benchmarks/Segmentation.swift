import Failures
package import LeGrad

/// Heatmaps as masks (methods §6.1). Without another wish, an image is explained for the class that its mask shows.
package struct Segmentation: Benchmark, Measure {
  package static let name = "segmentation"
  package static let abstract = "Heatmaps as masks: pixel accuracy, mIoU, mAP."
  package static let columns = [Column("pixelAccuracy", heading: "pixel accuracy"), Column("mIoU"), Column("mAP")]

  package let explained: ExplainedClass
  package let threshold: SegmentationThreshold

  enum CodingKeys: String, CodingKey {
    case explained
    case threshold = "segmentationThreshold"
  }

  package init(explained: ExplainedClass = .target, threshold: SegmentationThreshold = .mean) {
    self.explained = explained
    self.threshold = threshold
  }

  package func task(of image: EvaluationImage) throws(LeGradError) -> ImageTask {
    guard image.mask != nil else { throw image.lacks("a mask", remedy: "give one for every image") }
    return ImageTask(try explained.question(of: image), [self])
  }

  package func statistics(of image: ExplainedImage) -> SegmentationStatistics? {
    image.mask.map {
      SegmentationStatistics(heatmap: image.explanation.heatmap(prompt: 0).values, mask: $0, threshold: threshold)
    }
  }

  package static func isPlausible(_ statistics: SegmentationStatistics) -> Bool { statistics.isPlausible }

  package static func figures(_ statistics: [SegmentationStatistics]) -> [Double]? {
    SegmentationSummary(statistics).map { [$0.pixelAccuracy, $0.mIoU, $0.mAP] }
  }

  package var reported: [String: any Encodable & Sendable] { ["explain": explained, "threshold": threshold] }
  package var remarks: [String] { [explained.remark, remark] }
  package var remark: String {
    let limit =
      switch threshold {
      case .mean: "its mean, as in the protocol's code"
      case .half: "0.5, as in LeGrad's paper"
      }
    return "masks: foreground where the heatmap exceeds \(limit); accuracy and mIoU of the pixels of all images, mAP a "
      + "mean over images"
  }
}
