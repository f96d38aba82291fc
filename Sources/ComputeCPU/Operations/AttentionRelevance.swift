import CSimd
public import Compute
import Failures

extension CPUBackend {
  public func attentionRelevance(_ operation: AttentionRelevance<CPUBuffer>) throws(BackendError) {
    let (gradient, values, relevance) = (operation.outputGradient, operation.values, operation.relevance)
    let (heads, tokens) = (operation.heads, operation.stack.rows)
    let headWidth = values.columns / heads
    try perform { crew throws(BackendError) in
      // Each head of each prompt is summed over its queries by one thread; the heads are added afterwards.
      let sums = unsafe try crew.sharedScratch(relevance.rows * heads * tokens, operation: .attentionRelevance)
      let arguments = unsafe legrad_attention_relevance(
        output_gradient: .init(gradient), values: .init(values), heads: heads, head_width: headWidth,
        stack: legrad_stack(operation.stack), sums: sums)
      unsafe try crew.run(
        relevance.rows * heads, arguments,
        scratchCount: kernels.table.attention_relevance_scratch(tokens, headWidth),
        operation: .attentionRelevance, kernels.table.attention_relevance)
      let mean = unsafe legrad_relevance_mean(
        sums: sums, heads: heads, tokens: tokens, relevance: .init(relevance))
      unsafe crew.run(rowsOf: relevance, mean, kernels.table.relevance_mean)
    }
  }
}
