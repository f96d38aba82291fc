public import Failures
import Files

/// Turns a prompt into the ids that a text tower reads.
public protocol TextTokenizer: Sendable {
  /// What it is, for people.
  var name: String { get }
  /// One more than the largest id: the rows that a text tower's embedding table must at least have.
  var idCount: Int { get }
  /// The model's input for `text`: exactly `contextLength` ids, framed, cut or padded as the model was trained.
  /// - Throws: where the vocabulary's library cannot split the text.
  func tokenize(_ text: String, contextLength: Int) throws(TokenizerError) -> TokenizedPrompt
}

extension TextTokenizer {
  /// The ids of ``tokenize(_:contextLength:)`` alone.
  public func encode(_ text: String, contextLength: Int) throws(TokenizerError) -> [Int32] {
    try tokenize(text, contextLength: contextLength).ids
  }
}
