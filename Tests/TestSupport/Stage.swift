public import Compute
public import Testing

/// A place to run one operation: its matrices lie inside poisoned buffers, and the poison is checked afterwards.
///
/// Poison is a NaN with a payload. An operation that reads outside its inputs, or an element of its output that it
/// has not written, shows it in its result; one that writes outside its output destroys it.
public final class Stage<B: Backend> {
  private struct Placed {
    let label: String
    let whole: Matrix<B.Buffer>
    let view: Matrix<B.Buffer>
    let layout: Layout
    /// What the matrix must still hold at the end; nil for outputs.
    let contents: HostMatrix?
  }

  static var poison: Float { Float(bitPattern: 0x7fc5_a5a5) }

  public let backend: B
  private let layout: Layout
  private var placed: [Placed] = []

  public init(_ backend: B, layout: Layout) {
    self.backend = backend
    self.layout = layout
  }

  /// A matrix that the operation only reads.
  public func input(_ host: HostMatrix, _ label: String = "input", layout: Layout? = nil) throws -> Matrix<B.Buffer> {
    let matrix = try place(rows: host.rows, columns: host.columns, label, layout ?? self.layout, contents: host)
    try backend.upload(host.values.span, to: matrix)
    return matrix
  }

  public func input(_ host: HostMatrix?, _ label: String = "input") throws -> Matrix<B.Buffer>? {
    guard let host else { return nil }
    return try input(host, label) as Matrix<B.Buffer>
  }

  /// A matrix that the operation reads and then overwrites.
  public func inPlace(_ host: HostMatrix, _ label: String = "in place") throws -> Matrix<B.Buffer> {
    let matrix = try place(rows: host.rows, columns: host.columns, label, layout, contents: nil)
    try backend.upload(host.values.span, to: matrix)
    return matrix
  }

  /// A matrix full of poison that the operation writes.
  public func output(
    rows: Int, columns: Int, _ label: String = "output", layout: Layout? = nil
  ) throws -> Matrix<B.Buffer> {
    try place(rows: rows, columns: columns, label, layout ?? self.layout, contents: nil)
  }

  private func place(
    rows: Int, columns: Int, _ label: String, _ layout: Layout, contents: HostMatrix?
  ) throws -> Matrix<B.Buffer> {
    let whole = try HostMatrix(
      rows: layout.above + (rows - 1) * layout.rowStep + 1 + layout.below,
      columns: layout.left + columns + layout.right, repeating: Self.poison
    ).upload(to: backend)
    let lastRow = layout.above + (rows - 1) * layout.rowStep
    let view = whole.rows(0..<lastRow + 1).columns(layout.left..<layout.left + columns)
      .everyRow(layout.rowStep, from: layout.above)
    placed.append(Placed(label: label, whole: whole, view: view, layout: layout, contents: contents))
    return view
  }

  public func read(_ matrix: Matrix<B.Buffer>) throws -> HostMatrix {
    try HostMatrix.download(matrix, from: backend)
  }

  /// Expects poison around every matrix, and every input as it was given.
  func expectSurroundingsIntact(sourceLocation: SourceLocation) throws {
    for item in placed {
      let whole = try read(item.whole)
      for row in 0..<whole.rows {
        let matrixRow = row - item.layout.above
        let isInside =
          matrixRow >= 0 && matrixRow % item.layout.rowStep == 0
          && matrixRow / item.layout.rowStep < item.view.rows
        for column in 0..<whole.columns
        where !isInside || column < item.layout.left || column >= item.layout.left + item.view.columns {
          guard whole[row, column].bitPattern != Self.poison.bitPattern else { continue }
          Issue.record(
            """
            \(item.label) \(item.view.shape), \(item.layout): wrote \(whole[row, column]) outside, at row \
            \(matrixRow), column \(column - item.layout.left)
            """, sourceLocation: sourceLocation)
          return
        }
      }
      if let contents = item.contents {
        expectSameBits(
          try read(item.view), contents, "\(item.label), which is only read,", sourceLocation: sourceLocation)
      }
    }
  }
}

/// Runs an operation twice, each time on a fresh stage, expects intact surroundings and both times the same bits,
/// and returns what `body` read.
public func perform<B: Backend>(
  on backend: B, layout: Layout = .tight, sourceLocation: SourceLocation = #_sourceLocation,
  _ body: (Stage<B>) throws -> [HostMatrix]
) throws -> [HostMatrix] {
  func once() throws -> [HostMatrix] {
    let stage = Stage(backend, layout: layout)
    let results = try body(stage)
    try stage.expectSurroundingsIntact(sourceLocation: sourceLocation)
    return results
  }
  let first = try once()
  let second = try once()
  for (index, pair) in zip(first, second).enumerated() {
    expectSameBits(pair.1, pair.0, "the second run's result \(index)", sourceLocation: sourceLocation)
  }
  return first
}
