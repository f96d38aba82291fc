/// What one image adds to an evaluation, exact: counts, and float64 values that JSON gives back bit for bit. A line of
/// a shard's file.
public struct EvaluationRow: Codable, Equatable, Sendable {
  /// The image's place in the manifest.
  public let index: Int
  /// Its name in the manifest.
  public let id: String
  /// What computed the row, driver included.
  public let device: String
  /// Why there are no statistics; nil if there are.
  public let failure: String?
  /// Whether zero-shot classification finds the image's class; nil where nothing is classified.
  public let isCorrect: Bool?
  /// The id of the class that was explained; nil where an image has several, whose statistics name them.
  public let explained: String?
  /// By method, in the order of the run's configuration; empty after a failure.
  public let statistics: [ImageStatistics]

  public init(
    index: Int, id: String, device: String, failure: String? = nil, isCorrect: Bool? = nil,
    explained: String? = nil, statistics: [ImageStatistics] = []
  ) {
    self.index = index
    self.id = id
    self.device = device
    self.failure = failure
    self.isCorrect = isCorrect
    self.explained = explained
    self.statistics = statistics
  }
}

/// What one image adds by one method; each protocol has its part.
public struct ImageStatistics: Codable, Equatable, Sendable {
  public var segmentation: SegmentationStatistics?
  /// One element per class that has points in the image.
  public var points: [PointStatistics]?
  public var perturbation: PerturbationStatistics?

  public init(
    segmentation: SegmentationStatistics? = nil, points: [PointStatistics]? = nil,
    perturbation: PerturbationStatistics? = nil
  ) {
    self.segmentation = segmentation
    self.points = points
    self.perturbation = perturbation
  }
}
