import Compute
import Failures

struct NormalizeRowsSample: OperationSample {
  let rows: Int
  let columns: Int

  let operation = OperationName.normalizeRows
  var detail: String { "\(rows)×\(columns)" }

  func prepare<B: Backend>(on bench: SampleBench<B>) throws(BackendError) -> SampleRun {
    let operation = NormalizeRows(
      input: try bench.input(rows: rows, columns: columns), output: try bench.output(rows: rows, columns: columns),
      norms: try bench.output(rows: rows, columns: 1))
    return { () throws(BackendError) in try bench.backend.normalizeRows(operation) }
  }
}

struct NormalizeRowsBackwardSample: OperationSample {
  let images: Int
  let prompts: Int
  let columns: Int

  let operation = OperationName.normalizeRowsBackward
  var detail: String { "\(images)×\(columns) prompts \(prompts)" }

  func prepare<B: Backend>(on bench: SampleBench<B>) throws(BackendError) -> SampleRun {
    // Rows of about unit length.
    let deviation = 1 / Float(columns).squareRoot()
    let operation = NormalizeRowsBackward(
      directions: try bench.input(rows: prompts, columns: columns, deviation: deviation),
      normalized: try bench.input(rows: images, columns: columns, deviation: deviation),
      norms: try bench.input(rows: images, columns: 1, mean: 2, deviation: 0.2),
      gradient: try bench.output(rows: images * prompts, columns: columns))
    return { () throws(BackendError) in try bench.backend.normalizeRowsBackward(operation) }
  }
}
