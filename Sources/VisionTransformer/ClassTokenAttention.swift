import Compute
import Failures

/// The attention of CoCa's class tokens, each of which sees other keys than those before it (methods §9.1).
///
/// The keys that a prompt's class token sees are gathered, and every row of a small attention asks its question: one of
/// the equal rows replaces what the causal attention gave.
struct ClassTokenAttention<B: Backend> {
  private let keys: [[Int]]
  private let tokens: Int
  private let heads: Int
  @Planned private var queries: Matrix<B.Buffer>
  @Planned private var keysAndValues: Matrix<B.Buffer>
  @Planned private var output: Matrix<B.Buffer>

  /// - Parameters:
  ///   - keys: of each prompt, the rows that its class token sees.
  ///   - tokens: tokens of a prompt; the class token is the last of them.
  init(_ keys: [[Int]], tokens: Int, shape: BlockShape, in plan: inout WorkspacePlan<B>) {
    self.keys = keys
    self.tokens = tokens
    heads = shape.heads
    let rows = keys.map(\.count).max() ?? 1
    _queries = plan.reserve(rows: rows, columns: shape.width)
    _keysAndValues = plan.reserve(rows: rows, columns: 2 * shape.width)
    _output = plan.reserve(rows: rows, columns: shape.width)
  }

  /// Replaces the class tokens' rows of `activations.normalized`.
  func run(_ activations: BlockActivations<B>, on backend: B) throws(BackendError) {
    let projected = activations.queriesKeysValues
    let width = activations.stream.columns
    for (prompt, keys) in keys.enumerated() {
      let row = (prompt + 1) * tokens - 1
      let range = 0..<keys.count
      try backend.gatherRows(
        GatherRows(
          source: projected.columns(0..<width), rowNumbers: [Int](repeating: row, count: keys.count),
          output: queries.rows(range)))
      try backend.gatherRows(
        GatherRows(source: projected.columns(width..<3 * width), rowNumbers: keys, output: keysAndValues.rows(range)))
      try backend.attention(
        Attention(
          queries: queries.rows(range), keys: keysAndValues.rows(range).columns(0..<width),
          values: keysAndValues.rows(range).columns(width..<2 * width), heads: heads, tokens: keys.count,
          output: output.rows(range)))
      try backend.copy(Copy(output.rows(0..<1), to: activations.normalized.rows(row..<row + 1)))
    }
  }
}
