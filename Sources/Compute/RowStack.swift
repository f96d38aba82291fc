/// How the rows of a matrix with several copies of each image's rows relate to the rows that the copies share.
///
/// The backward runs for all prompts at once: its matrices have `images · prompts · tokens` rows, ordered by image,
/// then prompt, then token, a copy for each prompt. The forward's matrices have `images · tokens` rows, and what
/// belongs to one copy of one image (the gradient that every token receives) has `images · prompts` rows. A pooler's
/// heads are copies too.
public struct RowStack: Sendable, Equatable {
  /// How many copies there are of an image's rows.
  public let copies: Int
  /// How many rows a copy has.
  public let rows: Int

  public init(copies: Int, rows: Int) {
    precondition(copies > 0 && rows > 0, "a stack needs copies and rows, got \(copies) and \(rows)")
    self.copies = copies
    self.rows = rows
  }

  /// The row of the shared matrix that stacked row `row` reads.
  public func sharedRow(of row: Int) -> Int { row / (copies * rows) * rows + row % rows }

  /// The row of the matrix with one row a copy that stacked row `row` reads.
  public func copyRow(of row: Int) -> Int { row / rows }
}
