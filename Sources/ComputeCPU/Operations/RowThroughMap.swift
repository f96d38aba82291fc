import CSimd
public import Compute

extension CPUBackend {
  public func rowThroughMap(_ operation: RowThroughMap<CPUBuffer>) throws(BackendError) {
    let (row, queries, keys, output) = (operation.row, operation.queries, operation.keys, operation.output)
    let (heads, tokens) = (operation.heads, operation.stack.tokens)
    let headWidth = queries.columns / heads
    try perform { crew throws(BackendError) in
      // Each head of each row is summed over its queries by one thread; the heads are added afterwards.
      let sums = unsafe try crew.sharedScratch(row.rows * heads * tokens, operation: "rowThroughMap")
      let arguments = unsafe legrad_row_through_map(
        row: row.base, row_stride: row.rowStride, queries: queries.base, query_stride: queries.rowStride,
        keys: keys.base, key_stride: keys.rowStride, output_gradient: operation.gradient?.output.base,
        output_gradient_stride: operation.gradient?.output.rowStride ?? 0, values: operation.gradient?.values.base,
        value_stride: operation.gradient?.values.rowStride ?? 0, heads: heads, head_width: headWidth,
        stack: legrad_stack(operation.stack), sums: sums)
      unsafe try crew.run(
        row.rows * heads, arguments, scratchCount: kernels.table.row_through_map_scratch(tokens, headWidth),
        operation: "rowThroughMap", kernels.table.row_through_map)
      let mean = unsafe legrad_row_mean(
        sums: sums, heads: heads, tokens: tokens, row: row.base, row_stride: row.rowStride, factor: operation.factor,
        output: output.base, output_stride: output.rowStride)
      unsafe crew.run(rowsOf: output, mean, kernels.table.row_mean)
    }
  }
}
