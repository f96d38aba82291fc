import Compute
import Failures

struct GatherRowsSample: OperationSample {
  let rows: Int
  let columns: Int
  let picked: Int

  let operation = OperationName.gatherRows
  var detail: String { "\(picked) of \(rows)×\(columns)" }

  func prepare<B: Backend>(on bench: SampleBench<B>) throws(BackendError) -> SampleRun {
    let operation = GatherRows(
      source: try bench.input(rows: rows, columns: columns), rowNumbers: (0..<picked).map { ($0 * 37 + 5) % rows },
      output: try bench.output(rows: picked, columns: columns))
    return { () throws(BackendError) in try bench.backend.gatherRows(operation) }
  }
}
