import Compute
import Failures

struct FoldedNormBackwardSample: OperationSample {
  let images: Int
  let stack: RowStack
  let width: Int
  let hidden: Int

  let operation = OperationName.foldedNormBackward
  var detail: String { "\(images)·\(stack.rows)×\(width) of \(hidden) prompts \(stack.copies)" }

  func prepare<B: Backend>(on bench: SampleBench<B>) throws(BackendError) -> SampleRun {
    let (rows, prompts) = (images * stack.rows, images * stack.copies)
    let operation = FoldedNormBackward(
      product: try bench.input(rows: rows * stack.copies, columns: width),
      slopes: try bench.input(rows: rows, columns: hidden), scales: try bench.input(rows: prompts, columns: hidden),
      projected: try bench.input(rows: rows, columns: width),
      // Means and inverse deviations near one.
      statistics: try bench.input(rows: rows, columns: 2, mean: 1, deviation: 0.1),
      addend: try bench.input(rows: prompts, columns: width), stack: stack,
      output: try bench.output(rows: rows * stack.copies, columns: width))
    return { () throws(BackendError) in try bench.backend.foldedNormBackward(operation) }
  }
}
