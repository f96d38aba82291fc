/// What OpenCLIP does to a prompt before a tokenizer sees it (`clean` of its tokenizers, 3.3); nothing in Hugging
/// Face's folders.
public enum PromptCleaning: String, Sendable, CaseIterable {
  /// The text as it was given.
  case none
  /// ftfy's repairs, HTML references, white space.
  case whitespace
  /// The same in lower case.
  case lower
  /// The same without ASCII punctuation, `_` made a space.
  case canonicalize

  func cleaned(_ text: String) -> [Unicode.Scalar] {
    switch self {
    case .none: Array(text.unicodeScalars)
    case .whitespace: TextCleaning.tidied(text)
    case .lower: TextCleaning.cleaned(text)
    case .canonicalize: TextCleaning.canonicalized(text)
    }
  }
}
