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
    /// The bits that the matrix must still hold at the end; nil for outputs.
    let contents: [UInt64]?
  }

  static var poison: Float { Float(bitPattern: 0x7fc5_a5a5) }
  static var doublePoison: Double { Double(bitPattern: 0x7ff8_a5a5_a5a5_a5a5) }

  public let backend: B
  private let layout: Layout
  private var placed: [Placed] = []

  public init(_ backend: B, layout: Layout) {
    self.backend = backend
    self.layout = layout
  }

  /// A matrix that the operation only reads.
  public func input(_ host: HostMatrix, _ label: String = "input", layout: Layout? = nil) throws -> Matrix<B.Buffer> {
    let matrix = try place(
      rows: host.rows, columns: host.columns, label, layout ?? self.layout,
      contents: host.values.map { UInt64($0.bitPattern) })
    try backend.upload(host.values.span, to: matrix)
    return matrix
  }

  /// The same in float64.
  public func input(_ host: DoubleMatrix, _ label: String = "input") throws -> Matrix<B.Buffer> {
    let matrix = try place(
      rows: host.rows, columns: host.columns, label, layout, of: .float64, contents: host.values.map(\.bitPattern))
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

  /// The same in float64.
  public func inPlace(_ host: DoubleMatrix, _ label: String = "in place") throws -> Matrix<B.Buffer> {
    let matrix = try place(
      rows: host.rows, columns: host.columns, label, layout, of: .float64, contents: nil)
    try backend.upload(host.values.span, to: matrix)
    return matrix
  }

  /// A matrix full of poison that the operation writes.
  public func output(
    rows: Int, columns: Int, _ label: String = "output", layout: Layout? = nil, of scalar: Scalar = .float32
  ) throws -> Matrix<B.Buffer> {
    try place(rows: rows, columns: columns, label, layout ?? self.layout, of: scalar, contents: nil)
  }

  private func place(
    rows: Int, columns: Int, _ label: String, _ layout: Layout, of scalar: Scalar = .float32, contents: [UInt64]?
  ) throws -> Matrix<B.Buffer> {
    let allRows = layout.above + (rows - 1) * layout.rowStep + 1 + layout.below
    let allColumns = layout.left + columns + layout.right
    let whole = try backend.makeMatrix(rows: allRows, columns: allColumns, of: scalar)
    switch scalar {
    case .float32:
      try backend.upload([Float](repeating: Self.poison, count: allRows * allColumns).span, to: whole)
    case .float64:
      try backend.upload([Double](repeating: Self.doublePoison, count: allRows * allColumns).span, to: whole)
    }
    let lastRow = layout.above + (rows - 1) * layout.rowStep
    let view = whole.rows(0..<lastRow + 1).columns(layout.left..<layout.left + columns)
      .everyRow(layout.rowStep, from: layout.above)
    placed.append(Placed(label: label, whole: whole, view: view, layout: layout, contents: contents))
    return view
  }

  public func read(_ matrix: Matrix<B.Buffer>) throws -> HostMatrix {
    try HostMatrix.download(matrix, from: backend)
  }

  public func readDoubles(_ matrix: Matrix<B.Buffer>) throws -> DoubleMatrix {
    var result = DoubleMatrix(rows: matrix.rows, columns: matrix.columns)
    var span = result.values.mutableSpan
    try backend.download(matrix, into: &span)
    return result
  }

  private func bits(_ matrix: Matrix<B.Buffer>) throws -> [UInt64] {
    switch matrix.scalar {
    case .float32: try read(matrix).values.map { UInt64($0.bitPattern) }
    case .float64: try readDoubles(matrix).values.map(\.bitPattern)
    }
  }

  /// Expects poison around every matrix, and every input as it was given.
  public func expectSurroundingsIntact(sourceLocation: SourceLocation) throws {
    for item in placed {
      let whole = try bits(item.whole)
      let poison =
        item.whole.scalar == .float32 ? UInt64(Self.poison.bitPattern) : Self.doublePoison.bitPattern
      for (index, value) in whole.enumerated() where value != poison {
        let (row, column) = (index / item.whole.columns - item.layout.above, index % item.whole.columns)
        let matrixColumn = column - item.layout.left
        let isInside =
          row >= 0 && row % item.layout.rowStep == 0 && row / item.layout.rowStep < item.view.rows && matrixColumn >= 0
          && matrixColumn < item.view.columns
        guard !isInside else { continue }
        Issue.record(
          """
          \(item.label) \(item.view.shape), \(item.layout): wrote the bits \(value) outside, at row \(row), column \
          \(matrixColumn)
          """, sourceLocation: sourceLocation)
        return
      }
      guard let contents = item.contents else { continue }
      #expect(
        try bits(item.view) == contents, "\(item.label), which is only read, changed", sourceLocation: sourceLocation)
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
