import Compute
import Failures

struct LayerNormSample: OperationSample {
  let rows: Int
  let width: Int
  let epsilon: Float
  let scalar: Scalar

  let operation = OperationName.layerNorm
  var detail: String { "\(rows)×\(width) statistics\(scalar.label)" }

  func prepare<B: Backend>(on bench: SampleBench<B>) throws(BackendError) -> SampleRun {
    let operation = LayerNorm(
      input: try bench.input(rows: rows, columns: width, mean: 0.5),
      scale: try bench.input(rows: 1, columns: width, mean: 1, deviation: 0.1),
      shift: try bench.input(rows: 1, columns: width), epsilon: epsilon,
      output: try bench.output(rows: rows, columns: width), statistics: try bench.output(rows: rows, columns: 2))
    return { () throws(BackendError) in try bench.backend.layerNorm(operation) }
  }
}

struct LayerNormBackwardSample: OperationSample {
  let images: Int
  let stack: RowStack
  let width: Int
  /// One upstream row per prompt of an image.
  let isBroadcast: Bool
  /// Norms that have a scale each, and an equal part of the images.
  var norms = 1

  let operation = OperationName.layerNormBackward
  var detail: String {
    "\(images)·\(stack.rows)×\(width) prompts \(stack.copies)" + (isBroadcast ? " one row each" : "")
      + (norms > 1 ? " \(norms) norms" : "")
  }

  func prepare<B: Backend>(on bench: SampleBench<B>) throws(BackendError) -> SampleRun {
    let rows = images * stack.rows
    let operation = LayerNormBackward(
      upstream: try bench.input(rows: isBroadcast ? images * stack.copies : rows * stack.copies, columns: width),
      input: try bench.input(rows: rows, columns: width),
      // Means and inverse deviations near one.
      statistics: try bench.input(rows: rows, columns: 2, mean: 1, deviation: 0.1),
      scale: try bench.input(rows: norms, columns: width, mean: 1, deviation: 0.1), stack: stack, factor: 0.5,
      addend: try bench.input(rows: images * stack.copies, columns: width),
      output: try bench.output(rows: rows * stack.copies, columns: width))
    return { () throws(BackendError) in try bench.backend.layerNormBackward(operation) }
  }
}
