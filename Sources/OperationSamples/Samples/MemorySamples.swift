import Compute
import Failures

/// Host to device and back: the middle third of the columns of a wider matrix, whose rows are not contiguous.
struct UploadSample: OperationSample {
  let rows: Int
  let columns: Int
  let operation = OperationName.upload
  var detail: String { "\(rows)×\(columns) strided" }

  func prepare<B: Backend>(on bench: SampleBench<B>) throws(BackendError) -> SampleRun {
    let output = try bench.output(rows: rows, columns: 3 * columns)
    let middle = output.columns(columns..<2 * columns)
    let values = (0..<rows * columns).map { Float($0 % 8191) }
    let outside = [Float](repeating: 1, count: 3 * rows * columns)
    return { () throws(BackendError) in
      try bench.backend.upload(outside.span, to: output)
      try bench.backend.upload(values.span, to: middle)
    }
  }
}

struct CopySample: OperationSample {
  let rows: Int
  let columns: Int
  let operation = OperationName.copy
  var detail: String { "\(rows)×\(columns)" }

  func prepare<B: Backend>(on bench: SampleBench<B>) throws(BackendError) -> SampleRun {
    let operation = Copy(
      try bench.input(rows: rows, columns: columns), to: try bench.output(rows: rows, columns: columns))
    return { () throws(BackendError) in try bench.backend.copy(operation) }
  }
}

struct FillSample: OperationSample {
  let rows: Int
  let columns: Int
  let scalar: Scalar
  let operation = OperationName.fill
  var detail: String { "\(rows)×\(columns)\(scalar.label)" }

  func prepare<B: Backend>(on bench: SampleBench<B>) throws(BackendError) -> SampleRun {
    let operation = Fill(try bench.output(rows: rows, columns: columns), with: 1.25)
    return { () throws(BackendError) in try bench.backend.fill(operation) }
  }
}
