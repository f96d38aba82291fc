import Failures
public import ImageFiles
public import LeGrad

/// Images with their ground truth.
public protocol EvaluationDataset: Sendable {
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
public struct EvaluationImage: Sendable {
  /// The manifest's.
  public let id: String
  public let image: RGBImage
  /// Into the data set's classes.
  public let classIndex: Int?
  /// Of the size of its file, which need not be the image's.
  public let mask: LabelMask?
  /// By class; empty where there are none.
  public let points: [Int: [LabelledPoint]]

  public init(
    id: String, image: RGBImage, classIndex: Int? = nil, mask: LabelMask? = nil, points: [Int: [LabelledPoint]] = [:]
  ) {
    self.id = id
    self.image = image
    self.classIndex = classIndex
    self.mask = mask
    self.points = points
  }
}
