import Compute
import Failures

struct MeanRowsSample: OperationSample {
  let groups: Int
  let rowsPerGroup: Int
  let columns: Int

  let operation = OperationName.meanRows
  var detail: String { "\(groups)·\(rowsPerGroup)×\(columns)" }

  func prepare<B: Backend>(on bench: SampleBench<B>) throws(BackendError) -> SampleRun {
    let operation = MeanRows(
      input: try bench.input(rows: groups * rowsPerGroup, columns: columns), rowsPerGroup: rowsPerGroup,
      output: try bench.output(rows: groups, columns: columns))
    return { () throws(BackendError) in try bench.backend.meanRows(operation) }
  }
}
