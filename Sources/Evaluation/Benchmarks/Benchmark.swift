import Failures
package import ImageFiles
package import LeGrad

/// What is asked of a data set's images, and how the answers are told. All that is a benchmark's own stands in its file
/// in this folder, and `Benchmarks.all` lists them.
///
/// Its stored properties are its settings, each coded as text: they are part of a run's configuration, and so of its
/// identity.
package protocol Benchmark: Codable, Sendable {
  /// As the command line, a run's configuration and reports call it.
  static var name: String { get }
  /// What it is about, in a line.
  static var abstract: String { get }

  /// What is measured, for each kind of image that there is: an image takes part in one list.
  var measures: [[any Measure]] { get }
  /// The interpolation that squashes images to the model's input.
  func filter(of model: Model) -> ResizeFilter
  /// What is asked of an image.
  /// - Throws: an error of kind `input` that says what is not known of the image and needed.
  func task(of image: EvaluationImage) throws(LeGradError) -> ImageTask

  /// The settings by the names that report.json gives them.
  var reported: [String: any Encodable & Sendable] { get }
  /// How its figures came about, and where that is not what others do.
  var remarks: [String] { get }
}

extension Benchmark {
  package func filter(of model: Model) -> ResizeFilter { .bilinear }

  /// Of benchmarks whose pictures are files of published data sets.
  static var orientationRemark: String {
    "pictures as their files store them, whatever EXIF orientation they note"
  }
}

/// A number of maps: what one of them adds, and what they come to.
package protocol Measure: Sendable {
  /// What one image adds by one method, exact: counts, and float64 values that JSON gives back bit for bit.
  associatedtype Statistics: Codable & Equatable & Sendable

  /// What rows call its statistics.
  static var name: String { get }
  /// Its figures, in the order of the tables.
  static var columns: [Column] { get }
  /// Whether an image can have such statistics; rows come from files.
  static func isPlausible(_ statistics: Statistics) -> Bool
  /// A fraction for each column, reduced in the order given; nil where there is nothing to reduce.
  static func figures(_ statistics: [Statistics]) -> [Double]?

  /// Copies of an image, for each method, that are classified once it is explained.
  var copies: Int { get }
  /// Makes the copies of a picture that is explained by `heatmap`, each when it is asked for by its number, on any thread.
  func copies(of picture: RGBImage, by heatmap: Heatmap) -> @Sendable (_ number: Int) -> RGBImage
  /// Nil where nothing is known of the image to compare with.
  func statistics(of image: ExplainedImage) -> Statistics?
  /// How its figures come about.
  var remark: String { get }
}

extension Measure {
  package var copies: Int { 0 }
  package func copies(of picture: RGBImage, by heatmap: Heatmap) -> @Sendable (_ number: Int) -> RGBImage {
    { _ in picture }
  }
}

extension Benchmark where Self: Measure {
  package var measures: [[any Measure]] { [[self]] }
}

package struct Column: Hashable, Sendable {
  /// In JSON and CSV.
  package let name: String
  package let heading: String

  package init(_ name: String, heading: String? = nil) {
    self.name = name
    self.heading = heading ?? name
  }
}

package struct ImageTask: Sendable {
  /// The classes that an image is explained for, one after the other.
  package enum Question: Sendable {
    case classes([Int])
    /// The one that classification finds.
    case predicted
  }

  let question: Question
  let measures: [any Measure]
  /// Whether there is one right class, which classification finds or not.
  let isClassified: Bool

  init(_ question: Question, _ measures: [any Measure], isClassified: Bool = true) {
    self.question = question
    self.measures = measures
    self.isClassified = isClassified
  }
}

/// One image explained by one method, with what is known of it.
package struct ExplainedImage {
  package let explanation: Explanation
  /// The classes asked for, as the explanation's prompts are ordered, and their own ids.
  package let question: [Int]
  package let ids: [String]
  /// The image's class, and the one that classification finds.
  package let classIndex: Int?
  package let predicted: Int?
  /// As large as the input: 1 where the object is.
  package let mask: [UInt8]?
  /// By class.
  package let points: [Int: [LabelledPoint]]
  /// The classes found in the measure's copies, by their numbers.
  package let answers: [Int]
}

package enum Benchmarks {
  /// In the order of the command line's help and of the tables' columns.
  package static let all: [any Benchmark.Type] = [Shapes.self, Segmentation.self, Points.self, Perturbation.self]

  static let measures: [any Measure.Type] = all.compactMap { $0 as? any Measure.Type }

  static func named(_ name: String) -> (any Benchmark.Type)? { all.first { $0.name == name } }
}

/// Which class of an image is explained where it has one.
package enum ExplainedClass: String, Codable, Sendable, CaseIterable {
  /// The one that the data set says.
  case target
  /// The one that classification finds.
  case predicted
}

extension ExplainedClass {
  func question(of image: EvaluationImage) throws(LeGradError) -> ImageTask.Question {
    guard self == .target else { return .predicted }
    guard let classIndex = image.classIndex else {
      throw image.lacks("a class", remedy: "give one, or \(Subject.explainedClass) predicted")
    }
    return .classes([classIndex])
  }

  var remark: String {
    "the class explained is the image's \(rawValue) one; the public code of the protocols explains the "
      + "classifier's prediction, LeGrad's paper does not say"
  }
}

extension EvaluationImage {
  func lacks(_ what: String, remedy: Message) -> LeGradError {
    fault(id, expected: what, found: "none", remedy: remedy)
  }
}
