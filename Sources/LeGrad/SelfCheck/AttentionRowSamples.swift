import Compute
import VisionTransformer

extension SampleSizes {
  /// What the methods beside LeGrad read of attention maps.
  var attentionRowSamples: [any OperationSample] {
    let row = AttentionRow(images: images, stack: stack, width: width, heads: vision.heads)
    return [KeyScoresSample(row: row)]
      + HeadReading.allCases.map { KeyRelevanceSample(row: row, reading: $0) }
      + [TokenSumsSample(row: row), TokenSumsBackwardSample(row: row)]
      + [false, true].map { RowThroughMapSample(row: row, hasGradient: $0) }
  }
}

private struct AttentionRow: Sendable {
  let images: Int
  let stack: PromptStack
  let width: Int
  let heads: Int

  var stacked: Int { images * stack.prompts }
  var detail: String { "\(images)·\(stack.tokens)×\(width) heads \(heads) prompts \(stack.prompts)" }
}

private struct KeyScoresSample: OperationSample {
  let row: AttentionRow
  let operation = "keyScores"
  let isProduct = true
  var detail: String { row.detail }

  func prepare<B: Backend>(on bench: SampleBench<B>) throws(BackendError) -> SampleRun {
    let operation = KeyScores(
      rows: try bench.input(rows: row.stacked, columns: row.width),
      tokens: try bench.input(rows: row.images * row.stack.tokens, columns: row.width), heads: row.heads,
      factor: 0.5, stack: row.stack,
      scores: try bench.output(rows: row.stacked * row.heads, columns: row.stack.tokens))
    return { () throws(BackendError) in try bench.backend.keyScores(operation) }
  }
}

private struct KeyRelevanceSample: OperationSample {
  let row: AttentionRow
  let reading: HeadReading
  let operation = "keyRelevance"
  var detail: String { "\(row.detail) \(reading)" }

  func prepare<B: Backend>(on bench: SampleBench<B>) throws(BackendError) -> SampleRun {
    var map: Matrix<B.Buffer>?
    var gradient: Matrix<B.Buffer>?
    let tokens = row.stack.tokens
    if reading.readsMap { map = try bench.input(rows: row.images * row.heads, columns: tokens, mean: 2) }
    if reading.readsGradient { gradient = try bench.input(rows: row.stacked * row.heads, columns: tokens, mean: 0.5) }
    let operation = KeyRelevance(
      reading, map: map, gradient: gradient, heads: row.heads, leadingKeys: 1, factor: 0.5,
      relevance: try bench.output(rows: reading.readsGradient ? row.stacked : row.images, columns: tokens))
    return { () throws(BackendError) in try bench.backend.keyRelevance(operation) }
  }
}

private struct TokenSumsSample: OperationSample {
  let row: AttentionRow
  let operation = "tokenSums"
  var detail: String { row.detail }

  func prepare<B: Backend>(on bench: SampleBench<B>) throws(BackendError) -> SampleRun {
    let rows = row.stacked * row.heads
    let operation = TokenSums(
      weights: try bench.input(rows: rows, columns: row.stack.tokens, mean: 2),
      tokens: try bench.input(rows: row.images * row.stack.tokens, columns: row.width + 1),
      sums: try bench.output(rows: rows, columns: row.width + 1))
    return { () throws(BackendError) in try bench.backend.tokenSums(operation) }
  }
}

private struct TokenSumsBackwardSample: OperationSample {
  let row: AttentionRow
  let operation = "tokenSumsBackward"
  var detail: String { row.detail }

  func prepare<B: Backend>(on bench: SampleBench<B>) throws(BackendError) -> SampleRun {
    let rows = row.stacked * row.heads
    let operation = TokenSumsBackward(
      weights: try bench.input(rows: rows, columns: row.stack.tokens, mean: 2),
      upstream: try bench.input(rows: rows, columns: row.width + 1),
      gradient: try bench.output(rows: row.stacked * row.stack.tokens, columns: row.width + 1))
    return { () throws(BackendError) in try bench.backend.tokenSumsBackward(operation) }
  }
}

private struct RowThroughMapSample: OperationSample {
  let row: AttentionRow
  let hasGradient: Bool
  let operation = "rowThroughMap"
  let isProduct = true
  var detail: String { row.detail + (hasGradient ? " gradient" : "") }
  var arithmetic: Double {
    2 * (hasGradient ? 2 : 1) * Double(row.stacked) * Double(row.stack.tokens) * Double(row.stack.tokens)
      * Double(row.width)
  }

  func prepare<B: Backend>(on bench: SampleBench<B>) throws(BackendError) -> SampleRun {
    let (tokens, rows) = (row.stack.tokens, row.images * row.stack.tokens)
    let fused = try bench.input(rows: rows, columns: 3 * row.width)
    var gradient: RowThroughMap<B.Buffer>.Gradient?
    if hasGradient {
      gradient = .init(
        output: try bench.input(rows: row.stacked * tokens, columns: row.width),
        values: fused.columns(2 * row.width..<3 * row.width))
    }
    let operation = RowThroughMap(
      row: try bench.input(rows: row.stacked, columns: tokens, mean: 2), queries: fused.columns(0..<row.width),
      keys: fused.columns(row.width..<2 * row.width), gradient: gradient, heads: row.heads, stack: row.stack,
      factor: 0.5, output: try bench.output(rows: row.stacked, columns: tokens))
    return { () throws(BackendError) in try bench.backend.rowThroughMap(operation) }
  }
}
