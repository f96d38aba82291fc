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
  /// Whether the classes' numbers mean something: those of a class index do, those of names in their own order do not.
  var numbersClasses: Bool { get }
  /// What of the folders is not read.
  var leftOut: LeftOut { get }
  /// Reads the image at `index` of the manifest, alone: memory does not grow with the data set. A bad image fails here,
  /// and no other with it.
  func image(at index: Int) throws(LeGradError) -> EvaluationImage
  /// Reads the files of that image, which may still be bad.
  func open(at index: Int) throws(LeGradError) -> OpenedImage
}

extension EvaluationDataset {
  package var numbersClasses: Bool { false }
  package var leftOut: LeftOut { LeftOut() }
  package func open(at index: Int) throws(LeGradError) -> OpenedImage {
    OpenedImage(bytes: 0) { () throws(LeGradError) in try image(at: index) }
  }
}

/// An image whose files are read, and which is not decoded yet.
package struct OpenedImage: Sendable {
  /// Memory until it is decoded, as far as is known.
  let bytes: Int
  let decode: @Sendable () throws(LeGradError) -> EvaluationImage
}

/// One image with what is known of it; each kind of data set has its part.
package struct EvaluationImage: Sendable {
  /// The manifest's.
  package let id: String
  package let image: RGBImage
  /// Into the data set's classes.
  package private(set) var classIndex: Int?
  /// As large as its file has it, which need not be the image's size.
  package private(set) var mask: LabelMask?
  /// By class; empty where there are none.
  package private(set) var points: [Int: [LabelledPoint]] = [:]
  /// What its file notes, and whether `image` has been turned by it.
  package private(set) var storedOrientation = ExifOrientation.upright
  package private(set) var isTurned = false
}

/// Which pixels show an object.
package struct LabelMask: Equatable, Sendable {
  package let height, width: Int
  /// Row-major, 1 where the object is and 0 elsewhere.
  package let values: [UInt8]

  /// What is not zero in `values` is the object.
  /// - Precondition: both sides are positive and `values` fills them.
  package init(height: Int, width: Int, values: [UInt8]) {
    precondition(height > 0 && width > 0 && values.count == height * width, "a value per pixel")
    self.height = height
    self.width = width
    self.values = values.map { $0 == 0 ? 0 : 1 }
  }

  /// The mask squashed to another size by Pillow's nearest neighbour.
  package func resized(height: Int, width: Int) -> LabelMask {
    let resized = MapResampling.nearest(
      values, height: self.height, width: self.width, toHeight: height, toWidth: width)
    return LabelMask(height: height, width: width, values: resized)
  }
}
