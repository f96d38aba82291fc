public import Failures
import Files

/// Turns a prompt into the ids that a text tower reads.
public protocol TextTokenizer: Sendable {
  /// What it is, for people.
  var name: String { get }
  /// One more than the largest id: the rows that a text tower's embedding table must at least have.
  var idCount: Int { get }
  /// The model's input for `text`: exactly `contextLength` ids, framed, cut or padded as the model was trained.
  func encode(_ text: String, contextLength: Int) throws(TokenizerError) -> [Int32]
}

extension CLIPTokenizer: TextTokenizer {
  public var name: String { "CLIP byte pairs" }
}
