public import Compute
import Failures
import OpenCLRuntime

extension OpenCLBackend {
  public func attention(_ operation: Attention<OpenCLBuffer>) throws(BackendError) {
    let output = operation.output
    let launch = HeadLaunch(output, tokens: operation.tokens, heads: operation.heads)
    try perform(.attention) { stream throws(OpenCLError) in
      try run(
        .attention,
        [.matrix(operation.queries), .matrix(operation.keys), .matrix(operation.values), .matrix(output)]
          + launch.arguments(mask: operation.mask),
        over: launch, on: stream)
    }
  }

  public func attentionBackward(_ operation: AttentionBackward<OpenCLBuffer>) throws(BackendError) {
    let upstream = operation.upstream
    let launch = HeadLaunch(upstream, tokens: operation.tokens, heads: operation.heads)
    let inputs: [KernelArgument] = [
      .matrix(upstream), .matrix(operation.queries), .matrix(operation.keys), .matrix(operation.values),
    ]
    let sizes = launch.arguments(mask: operation.mask)
    try perform(.attentionBackward) { stream throws(OpenCLError) in
      // Three numbers per query and head.
      let scratch = try stream.scratch("attention statistics", floats: 3 * upstream.rows * launch.heads)
      let statistics = KernelArgument.memory(scratch.buffer.memory)
      try run(
        .backward, function: "attention_backward_statistics", inputs + [statistics] + sizes, over: launch, on: stream)
      try run(
        .backward, function: "attention_backward_queries",
        inputs + [statistics, .matrix(operation.queryGradient)] + sizes, over: launch, on: stream)
      try run(
        .backward, function: "attention_backward_keys",
        inputs + [statistics, .matrix(operation.keyGradient), .matrix(operation.valueGradient)] + sizes,
        over: launch, on: stream)
    }
  }
}

extension HeadLaunch {
  /// The sizes that the kernels of a map take after their matrices.
  fileprivate func arguments(mask: AttentionMask) -> [KernelArgument] {
    [.size(headWidth), .size(tokens), .flag(mask == .causal), .factor(1 / Float(headWidth).squareRoot())]
  }
}
