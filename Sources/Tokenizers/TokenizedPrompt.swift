/// What a text tower reads of a prompt, and what of it had no room.
public struct TokenizedPrompt: Sendable, Equatable {
  /// Exactly as many as the context has positions: framed, cut or padded as the model was trained.
  public let ids: [Int32]
  /// Ids before the padding: the text's and those that frame it.
  public let tokens: Int
  /// Tokens of the text that were left out because the context has no room for them.
  public let cut: Int
  /// Whether they are the text's first, and not its last.
  public let cutsStart: Bool
}

/// The ids around a text's own, and those that fill the context.
struct Framing: Sendable {
  let prefix: [Int32]
  let suffix: [Int32]
  let padding: Int32
  var padsLeft = false
  /// Whether a text loses its start, and not its end.
  var cutsStart = false

  /// A text that does not fit is cut and keeps what frames it.
  func framed(_ ids: [Int32], contextLength: Int) -> TokenizedPrompt {
    let room = max(0, contextLength - prefix.count - suffix.count)
    let own = cutsStart ? ids.suffix(room) : ids.prefix(room)
    let kept = (prefix + own + suffix).prefix(contextLength)
    let padding = [Int32](repeating: padding, count: contextLength - kept.count)
    return TokenizedPrompt(
      ids: padsLeft ? padding + kept : kept + padding, tokens: kept.count, cut: max(0, ids.count - room),
      cutsStart: cutsStart)
  }
}
