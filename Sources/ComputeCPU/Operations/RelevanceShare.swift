import CSimd
public import Compute

extension CPUBackend {
  public func relevanceShare(_ operation: RelevanceShare<CPUBuffer>) throws(BackendError) {
    let (relevance, total, value) = (operation.relevance, operation.total, operation.value)
    let output = operation.output
    let arguments = unsafe legrad_relevance_share(
      relevance: relevance.doubles, relevance_stride: relevance.rowStride, total: total.doubles,
      total_stride: total.rowStride, value: value?.doubles, value_stride: value?.rowStride ?? 0, rows: total.rows,
      columns: output.columns, accumulates: operation.accumulates, output: output.doubles,
      output_stride: output.rowStride)
    perform { crew in unsafe crew.run(rowsOf: output, arguments, kernels.table.relevance_share) }
  }
}
