import CSimd
public import Compute
import Failures

extension CPUBackend {
  public func attention(_ operation: Attention<CPUBuffer>) throws(BackendError) {
    let (tokens, heads, output) = (operation.tokens, operation.heads, operation.output)
    let headItems = output.rows / tokens * heads
    let headWidth = output.columns / heads
    let queryTiles = (tokens + kernels.tileColumns - 1) / kernels.tileColumns
    // A head is one piece of work, its keys and values packed once; it is cut only where heads do not fill the
    // threads.
    let wantedChunks = (3 * threadCount + headItems - 1) / headItems
    let tilesPerChunk = (queryTiles + wantedChunks - 1) / min(wantedChunks, queryTiles)
    let chunks = (queryTiles + tilesPerChunk - 1) / tilesPerChunk
    let arguments = unsafe legrad_attention(
      queries: .init(operation.queries), keys: .init(operation.keys), values: .init(operation.values), heads: heads,
      head_width: headWidth, tokens: tokens, causal: operation.mask == .causal, chunks: chunks,
      query_tiles_per_chunk: tilesPerChunk, output: .init(output))
    try perform { crew throws(BackendError) in
      unsafe try crew.run(
        headItems * chunks, arguments, scratchCount: kernels.table.attention_scratch(tokens, headWidth),
        operation: .attention, kernels.table.attention)
    }
  }

  public func attentionBackward(_ operation: AttentionBackward<CPUBuffer>) throws(BackendError) {
    let (tokens, heads, upstream) = (operation.tokens, operation.heads, operation.upstream)
    let headWidth = upstream.columns / heads
    let arguments = unsafe legrad_attention_backward(
      upstream: .init(upstream), queries: .init(operation.queries), keys: .init(operation.keys),
      values: .init(operation.values), heads: heads, head_width: headWidth, tokens: tokens,
      causal: operation.mask == .causal, query_gradient: .init(operation.queryGradient),
      key_gradient: .init(operation.keyGradient), value_gradient: .init(operation.valueGradient))
    try perform { crew throws(BackendError) in
      unsafe try crew.run(
        upstream.rows / tokens * heads, arguments,
        scratchCount: kernels.table.attention_backward_scratch(tokens, headWidth),
        operation: .attentionBackward, kernels.table.attention_backward)
    }
  }
}
