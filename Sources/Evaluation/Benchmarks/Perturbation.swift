import Failures
package import ImageFiles
package import LeGrad

/// What is still recognised when pixels turn black (methods §6.3). Without another wish, an image is explained for what
/// the model sees.
package struct Perturbation: Benchmark, Measure {
  package static let name = "perturbation"
  package static let abstract = "What is still recognised when the most or the least relevant pixels turn black."
  package static let columns = [
    Column("positiveAUC", heading: "positive AUC ↓"), Column("negativeAUC", heading: "negative AUC ↑"),
  ]

  package let explained: ExplainedClass

  package init(explained: ExplainedClass = .predicted) { self.explained = explained }

  package func task(of image: EvaluationImage) throws(LeGradError) -> ImageTask {
    guard image.classIndex != nil else { throw image.lacks("a class", remedy: "give one for every image") }
    return ImageTask(try explained.question(of: image), [self])
  }

  private static var steps: Int { PerturbationSteps.shares.count }

  /// Most relevant pixels first, then least relevant first, by step.
  package var copies: Int { 2 * Self.steps }

  package func copies(of picture: RGBImage, by heatmap: Heatmap) -> @Sendable (_ number: Int) -> RGBImage {
    let orders = [true, false].map { PerturbationSteps.order(heatmap.values, mostRelevantFirst: $0) }
    let counts = PerturbationSteps.pixelCounts(of: heatmap.values.count)
    return { picture.blackened(orders[$0 / Self.steps][..<counts[$0 % Self.steps]]) }
  }

  package func statistics(of image: ExplainedImage) -> PerturbationStatistics? {
    let hits = image.answers.map { $0 == image.classIndex }
    return PerturbationStatistics(
      isHit: image.predicted == image.classIndex, positiveHits: Array(hits[..<Self.steps]),
      negativeHits: Array(hits[Self.steps...]))
  }

  package static func isPlausible(_ statistics: PerturbationStatistics) -> Bool { statistics.isPlausible }

  package static func figures(_ statistics: [PerturbationStatistics]) -> [Double]? {
    PerturbationSummary(statistics).map { [$0.positiveAUC, $0.negativeAUC] }
  }

  package var reported: [String: any Encodable & Sendable] { ["explain": explained] }
  package var remarks: [String] { [explained.remark, remark, Self.orientationRemark] }
  package var remark: String {
    "perturbation: accuracy of the true class while the most (positive) or least (negative) relevant pixels turn "
      + "black, area over 0…0.9, at most 0.9; ties in the order of the pixels, which the protocol's code leaves open"
  }
}

extension RGBImage {
  /// The picture with some pixels black, by number from the top left.
  func blackened(_ places: some Sequence<Int>) -> RGBImage {
    var pixels = pixels
    for place in places {
      for channel in 0..<3 { pixels[place * 3 + channel] = 0 }
    }
    return RGBImage(width: width, height: height, pixels: pixels)
  }
}
