import Failures
import LeGrad

/// What a run asks its images, in embeddings.
struct Question: Sendable {
  let text: TextEmbeddings
  var correction: EmptyTextCorrection?
}

extension Question {
  /// Says in one line that prompts were longer than the model's context, if any was.
  func noteCutPrompts() {
    let cut = zip(text.prompts, text.lengths ?? []).filter { $0.1.cut > 0 }
    guard let (prompt, length) = cut.first else { return }
    let others =
      switch cut.count {
      case 1: ""
      case 2: "; one more prompt is cut as well"
      default: "; \(cut.count - 1) more prompts are cut as well"
      }
    Terminal.note(
      "\"\(prompt.shortened)\" has \(length.tokens + length.cut) tokens, the model reads \(length.tokens): the last "
        + "\(length.cut) of its text are left out\(others)")
  }
}

extension String {
  /// The start of a long text, for a line.
  fileprivate var shortened: String { count > 40 ? prefix(39) + "…" : self }
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
