internal import Processes

/// Rows of pictures over threads: each row is made by itself, so that any cut gives the same bytes.
enum RowParts {
  /// Bytes of a part, enough to be worth a thread's waking.
  static let byteCount = 1 << 18

  /// Calls `body` with parts of `0 ..< count` on the threads that are free, the caller's being one.
  /// - Parameters:
  ///   - bytes: what each row reads or writes, the larger of both.
  ///   - budget: the threads; nil for the caller's alone.
  static func each(of count: Int, bytes: Int, _ budget: ThreadBudget?, _ body: (Range<Int>) -> Void) {
    let rows = max(1, byteCount / max(1, bytes))
    guard let budget, rows < count else { return body(0..<count) }
    budget.share((count + rows - 1) / rows) { part in body(part * rows..<min(count, (part + 1) * rows)) }
  }
}
