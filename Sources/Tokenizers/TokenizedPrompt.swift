/// What a text tower reads of a prompt, and what of it had no room.
public struct TokenizedPrompt: Sendable, Equatable {
  /// Exactly as many as the context has positions: framed, cut or padded as the model was trained.
  public let ids: [Int32]
  /// Ids before the padding: the text's and those that frame it.
  public let tokens: Int
  /// Tokens of the text that were left out because the context has no room for them.
  public let cut: Int
}

/// The ids around a text's own, and those that fill the context.
struct Framing: Sendable {
  let prefix: [Int32]
  let suffix: [Int32]
  let padding: Int32
  var padsLeft = false

  /// A text that does not fit loses its end and keeps what frames it.
  func framed(_ ids: [Int32], contextLength: Int) -> TokenizedPrompt {
    let room = max(0, contextLength - prefix.count - suffix.count)
    let kept = (prefix + ids.prefix(room) + suffix).prefix(contextLength)
    let padding = [Int32](repeating: padding, count: contextLength - kept.count)
    return TokenizedPrompt(
      ids: padsLeft ? padding + kept : kept + padding, tokens: kept.count, cut: max(0, ids.count - room))
  }
}
