import CSimd
public import Compute

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
      queries: operation.queries.base, query_stride: operation.queries.rowStride, keys: operation.keys.base,
      key_stride: operation.keys.rowStride, values: operation.values.base,
      value_stride: operation.values.rowStride, heads: heads, head_width: headWidth, tokens: tokens,
      causal: operation.mask == .causal, chunks: chunks, query_tiles_per_chunk: tilesPerChunk,
      output: output.base, output_stride: output.rowStride)
    try perform { crew throws(BackendError) in
      unsafe try crew.run(
        headItems * chunks, arguments, scratchCount: kernels.table.attention_scratch(tokens, headWidth),
        operation: "attention", kernels.table.attention)
    }
  }

  public func attentionBackward(_ operation: AttentionBackward<CPUBuffer>) throws(BackendError) {
    let (tokens, heads, upstream) = (operation.tokens, operation.heads, operation.upstream)
    let headWidth = upstream.columns / heads
    let arguments = unsafe legrad_attention_backward(
      upstream: upstream.base, upstream_stride: upstream.rowStride, queries: operation.queries.base,
      query_stride: operation.queries.rowStride, keys: operation.keys.base, key_stride: operation.keys.rowStride,
      values: operation.values.base, value_stride: operation.values.rowStride, heads: heads, head_width: headWidth,
      tokens: tokens, causal: operation.mask == .causal, query_gradient: operation.queryGradient.base,
      query_gradient_stride: operation.queryGradient.rowStride, key_gradient: operation.keyGradient.base,
      key_gradient_stride: operation.keyGradient.rowStride, value_gradient: operation.valueGradient.base,
      value_gradient_stride: operation.valueGradient.rowStride)
    try perform { crew throws(BackendError) in
      unsafe try crew.run(
        upstream.rows / tokens * heads, arguments,
        scratchCount: kernels.table.attention_backward_scratch(tokens, headWidth),
        operation: "attentionBackward", kernels.table.attention_backward)
    }
  }
}
