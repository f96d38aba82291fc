import Failures
package import ImageFiles
package import LeGrad

/// Images with their ground truth.
package protocol EvaluationDataset: Sendable {
  /// What there is, in the order in which results are reduced.
  var manifest: Manifest { get }
  /// The classes' own ids, each once: WordNet ids, OpenImages' machine ids, or names.
  var classIDs: [String] { get }
  /// What prompts call the classes, in the order of `classIDs`.
  var classNames: [String] { get }
  /// Reads the image at `index` of the manifest, alone: memory does not grow with the data set. A bad image fails here,
  /// and no other with it.
  func image(at index: Int) throws(LeGradError) -> EvaluationImage
}

/// One image with what is known of it; each kind of data set has its part.
package struct EvaluationImage: Sendable {
  /// The manifest's.
  package let id: String
  package let image: RGBImage
  /// Into the data set's classes.
  package let classIndex: Int?
  /// Of the size of its file, which need not be the image's.
  package let mask: LabelMask?
  /// By class; empty where there are none.
  package let points: [Int: [LabelledPoint]]

  package init(
    id: String, image: RGBImage, classIndex: Int? = nil, mask: LabelMask? = nil, points: [Int: [LabelledPoint]] = [:]
  ) {
    self.id = id
    self.image = image
    self.classIndex = classIndex
    self.mask = mask
    self.points = points
  }
}
