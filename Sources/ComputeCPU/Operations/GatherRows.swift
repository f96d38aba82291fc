public import Compute
import Failures

extension CPUBackend {
  public func gatherRows(_ operation: GatherRows<CPUBuffer>) throws(BackendError) {
    let (source, output) = (operation.source, operation.output)
    let (from, to) = unsafe (source.base, output.base)
    perform { crew in
      crew.run(output.rows, grain: crew.grain(rows: output.rows, columns: output.columns)) { begin, end in
        for row in begin..<end {
          unsafe (to + row * output.rowStride).update(
            from: from + operation.rowNumbers[row] * source.rowStride, count: output.columns)
        }
      }
    }
  }
}
