import CSimd
public import Compute
import Failures

extension CPUBackend {
  public func relevanceShare(_ operation: RelevanceShare<CPUBuffer>) throws(BackendError) {
    let (relevance, total, value) = (operation.relevance, operation.total, operation.value)
    let output = operation.output
    let arguments = unsafe legrad_relevance_share(
      relevance: .init(relevance), total: .init(total), value: .init(value), rows: total.rows, columns: output.columns,
      accumulates: operation.accumulates, output: .init(output))
    perform { crew in unsafe crew.run(rowsOf: output, arguments, kernels.table.relevance_share) }
  }
}
