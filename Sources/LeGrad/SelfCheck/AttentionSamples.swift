import Compute
import VisionTransformer

extension SampleSizes {
  var attentionSamples: [any OperationSample] {
    [attentionSample, relevanceSample]
      + [
        AttentionBackwardSample(
          label: "", sequences: images, tokens: tokens, width: width, heads: vision.heads, mask: .none)
      ] + textSamples
  }

  /// A block's attention.
  var attentionSample: any OperationSample {
    AttentionSample(label: "", sequences: images, tokens: tokens, width: width, heads: vision.heads, mask: .none)
  }

  var relevanceSample: any OperationSample {
    RelevanceSample(images: images, stack: stack, width: width, heads: vision.heads)
  }

  /// The causal attention of the text tower.
  private var textSamples: [any OperationSample] {
    guard let text else { return [] }
    return [
      AttentionSample(
        label: " causal", sequences: prompts, tokens: text.contextLength, width: text.width, heads: text.heads,
        mask: .causal),
      AttentionBackwardSample(
        label: " causal", sequences: prompts, tokens: text.contextLength, width: text.width, heads: text.heads,
        mask: .causal),
    ]
  }
}

/// Queries, keys and values as three column ranges of one matrix, as a fused projection leaves them.
private func queriesKeysValues<B: Backend>(
  on bench: SampleBench<B>, rows: Int, width: Int
) throws(BackendError) -> [Matrix<B.Buffer>] {
  let fused = try bench.input(rows: rows, columns: 3 * width)
  return (0..<3).map { fused.columns($0 * width..<($0 + 1) * width) }
}

private struct AttentionSample: OperationSample {
  let label: String
  let sequences: Int
  let tokens: Int
  let width: Int
  let heads: Int
  let mask: AttentionMask

  let operation = "attention"
  let isProduct = true
  var detail: String { "\(sequences)·\(tokens)×\(width) heads \(heads)\(label)" }
  var arithmetic: Double { 4 * Double(sequences) * Double(tokens) * Double(tokens) * Double(width) }

  func prepare<B: Backend>(on bench: SampleBench<B>) throws(BackendError) -> SampleRun {
    let parts = try queriesKeysValues(on: bench, rows: sequences * tokens, width: width)
    let operation = Attention(
      queries: parts[0], keys: parts[1], values: parts[2], heads: heads, tokens: tokens, mask: mask,
      output: try bench.output(rows: sequences * tokens, columns: width))
    return { () throws(BackendError) in try bench.backend.attention(operation) }
  }
}

private struct AttentionBackwardSample: OperationSample {
  let label: String
  let sequences: Int
  let tokens: Int
  let width: Int
  let heads: Int
  let mask: AttentionMask

  let operation = "attentionBackward"
  let isProduct = true
  var detail: String { "\(sequences)·\(tokens)×\(width) heads \(heads)\(label)" }
  var arithmetic: Double { 10 * Double(sequences) * Double(tokens) * Double(tokens) * Double(width) }

  func prepare<B: Backend>(on bench: SampleBench<B>) throws(BackendError) -> SampleRun {
    let rows = sequences * tokens
    let parts = try queriesKeysValues(on: bench, rows: rows, width: width)
    let operation = AttentionBackward(
      upstream: try bench.input(rows: rows, columns: width), queries: parts[0], keys: parts[1], values: parts[2],
      heads: heads, tokens: tokens, mask: mask, queryGradient: try bench.output(rows: rows, columns: width),
      keyGradient: try bench.output(rows: rows, columns: width),
      valueGradient: try bench.output(rows: rows, columns: width))
    return { () throws(BackendError) in try bench.backend.attentionBackward(operation) }
  }
}

private struct RelevanceSample: OperationSample {
  let images: Int
  let stack: PromptStack
  let width: Int
  let heads: Int

  let operation = "attentionRelevance"
  let isProduct = true
  var detail: String { "\(images)·\(stack.tokens)×\(width) heads \(heads) prompts \(stack.prompts)" }
  var arithmetic: Double {
    2 * Double(images * stack.prompts) * Double(stack.tokens) * Double(stack.tokens) * Double(width)
  }

  func prepare<B: Backend>(on bench: SampleBench<B>) throws(BackendError) -> SampleRun {
    let rows = images * stack.tokens
    let operation = AttentionRelevance(
      outputGradient: try bench.input(rows: rows * stack.prompts, columns: width),
      values: try queriesKeysValues(on: bench, rows: rows, width: width)[2], heads: heads, stack: stack,
      relevance: try bench.output(rows: images * stack.prompts, columns: stack.tokens))
    return { () throws(BackendError) in try bench.backend.attentionRelevance(operation) }
  }
}
