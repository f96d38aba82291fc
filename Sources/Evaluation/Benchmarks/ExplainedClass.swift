import Failures
import LeGrad

/// Which class of an image is explained where it has one.
package enum ExplainedClass: String, Codable, Sendable, CaseIterable {
  /// The one that the data set says.
  case target
  /// The one that zero-shot classification finds.
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
