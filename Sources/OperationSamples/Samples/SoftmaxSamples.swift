import Compute
import Failures

struct SoftmaxSample: OperationSample {
  let rows: Int
  let columns: Int
  let scalar: Scalar

  let operation = OperationName.softmax
  var detail: String { "\(rows)×\(columns)\(scalar.label)" }

  func prepare<B: Backend>(on bench: SampleBench<B>) throws(BackendError) -> SampleRun {
    let operation = Softmax(
      input: try bench.input(rows: rows, columns: columns, deviation: 3), factor: 0.75,
      output: try bench.output(rows: rows, columns: columns))
    return { () throws(BackendError) in try bench.backend.softmax(operation) }
  }
}

struct SoftmaxBackwardSample: OperationSample {
  let rows: Int
  let columns: Int

  let operation = OperationName.softmaxBackward
  var detail: String { "\(rows)×\(columns)" }

  func prepare<B: Backend>(on bench: SampleBench<B>) throws(BackendError) -> SampleRun {
    let share = 1 / Float(columns)
    let operation = SoftmaxBackward(
      upstream: try bench.input(rows: rows, columns: columns),
      output: try bench.input(rows: rows, columns: columns, mean: share, deviation: share / 4),
      gradient: try bench.output(rows: rows, columns: columns))
    return { () throws(BackendError) in try bench.backend.softmaxBackward(operation) }
  }
}
