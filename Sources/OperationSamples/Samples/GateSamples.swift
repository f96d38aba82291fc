import Compute
import Failures

struct GateSample: OperationSample {
  let activation: Activation
  let rows: Int
  let columns: Int

  let operation = OperationName.gate
  var detail: String { "\(rows)×2·\(columns) \(activation.rawValue) derivative" }

  func prepare<B: Backend>(on bench: SampleBench<B>) throws(BackendError) -> SampleRun {
    let operation = Gate(
      activation, input: try bench.input(rows: rows, columns: 2 * columns, deviation: 2),
      output: try bench.output(rows: rows, columns: columns),
      derivative: try bench.output(rows: rows, columns: 2 * columns))
    return { () throws(BackendError) in try bench.backend.gate(operation) }
  }
}
