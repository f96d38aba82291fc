/// How the rows of a per-prompt matrix relate to the rows that all prompts share.
///
/// The backward runs for all prompts at once: its matrices have `images · prompts · tokens` rows, ordered by
/// image, then prompt, then token. The forward's matrices have `images · tokens` rows, and what belongs to one
/// prompt of one image (the gradient that every token receives) has `images · prompts` rows.
public struct PromptStack: Sendable, Equatable {
  public let prompts: Int
  public let tokens: Int

  public init(prompts: Int, tokens: Int) {
    precondition(prompts > 0 && tokens > 0, "a stack needs prompts and tokens, got \(prompts) and \(tokens)")
    self.prompts = prompts
    self.tokens = tokens
  }

  /// The row of the forward's matrix that stacked row `row` reads.
  public func sharedRow(of row: Int) -> Int { row / (prompts * tokens) * tokens + row % tokens }

  /// The row of the per-prompt matrix that stacked row `row` reads.
  public func promptRow(of row: Int) -> Int { row / tokens }
}
