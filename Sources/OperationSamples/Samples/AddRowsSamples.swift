import Compute
import Failures

struct AddRowsSample: OperationSample {
  let rows: Int
  let addends: Int
  let columns: Int
  let scalar: Scalar

  let operation = OperationName.addRows
  var detail: String { "\(rows)×\(columns) plus \(addends) rows\(scalar.label)" }

  func prepare<B: Backend>(on bench: SampleBench<B>) throws(BackendError) -> SampleRun {
    let operation = AddRows(
      input: try bench.input(rows: rows, columns: columns), addend: try bench.input(rows: addends, columns: columns),
      output: try bench.output(rows: rows, columns: columns))
    return { () throws(BackendError) in try bench.backend.addRows(operation) }
  }
}
