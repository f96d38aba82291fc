import Failures
import LeGrad

/// What a run asks its images, in embeddings.
struct Question: Sendable {
  let text: TextEmbeddings
  var correction: EmptyTextCorrection?
}

extension PromptSource {
  /// Unit rows for a model. Texts are encoded together, as the text tower is read once.
  func question(
    to explainer: Explainer, correction: CorrectionSource? = nil
  ) throws(LeGradError) -> Question {
    guard let correction else { return Question(text: try encoded(by: explainer)) }
    if case .texts(let texts) = self, case .texts(let empty) = correction.text {
      let rows = try explainer.encode(texts + empty)
      return Question(
        text: rows.rows(0..<texts.count),
        correction: try EmptyTextCorrection(
          embedding: rows.rows(texts.count..<rows.count), threshold: correction.threshold))
    }
    return Question(
      text: try encoded(by: explainer),
      correction: try EmptyTextCorrection(
        embedding: correction.text.encoded(by: explainer), threshold: correction.threshold))
  }
}
