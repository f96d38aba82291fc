import CSimd
public import Compute
import Failures

extension CPUBackend {
  public func rowThroughMap(_ operation: RowThroughMap<CPUBuffer>) throws(BackendError) {
    let (row, queries, keys, output) = (operation.row, operation.queries, operation.keys, operation.output)
    let (heads, tokens) = (operation.heads, operation.stack.rows)
    let headWidth = queries.columns / heads
    try perform { crew throws(BackendError) in
      // Each head of each row is summed over its queries by one thread; the heads are added afterwards.
      let sums = unsafe try crew.sharedScratch(row.rows * heads * tokens, operation: .rowThroughMap)
      let arguments = unsafe legrad_row_through_map(
        row: .init(row), queries: .init(queries), keys: .init(keys), output_gradient: .init(operation.gradient?.output),
        values: .init(operation.gradient?.values), heads: heads, head_width: headWidth,
        stack: legrad_stack(operation.stack), sums: sums)
      unsafe try crew.run(
        row.rows * heads, arguments, scratchCount: kernels.table.row_through_map_scratch(tokens, headWidth),
        operation: .rowThroughMap, kernels.table.row_through_map)
      let mean = unsafe legrad_row_mean(
        sums: sums, heads: heads, tokens: tokens, row: .init(row), factor: operation.factor, output: .init(output))
      unsafe crew.run(rowsOf: output, mean, kernels.table.row_mean)
    }
  }
}
