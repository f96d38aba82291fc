public import Compute
import Failures
import OpenCLRuntime

extension OpenCLBackend {
  public func attentionRelevance(_ operation: AttentionRelevance<OpenCLBuffer>) throws(BackendError) {
    let (relevance, heads, tokens) = (operation.relevance, operation.heads, operation.stack.rows)
    let launch = HeadLaunch(operation.outputGradient, tokens: tokens, heads: heads)
    try perform(.attentionRelevance) { stream throws(OpenCLError) in
      let scratch = try stream.scratch("relevance of heads", floats: relevance.rows * heads * tokens)
      let sums = KernelArgument.memory(scratch.buffer.memory)
      try run(
        .relevance,
        [
          .matrix(operation.outputGradient), .matrix(operation.values), sums, .size(launch.headWidth),
          .size(operation.stack.copies), .size(tokens),
        ],
        over: launch, on: stream)
      try stream.run(
        "attention_relevance_mean", variant,
        [sums, .matrix(relevance), .size(heads), .size(relevance.rows), .size(tokens)], elementsOf: relevance)
    }
  }
}
