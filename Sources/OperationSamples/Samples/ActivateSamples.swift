import Compute
import Failures

struct ActivateSample: OperationSample {
  let activation: Activation
  let rows: Int
  let columns: Int
  let scalar: Scalar

  let operation = OperationName.activate
  var detail: String { "\(rows)×\(columns) \(activation.rawValue) derivative\(scalar.label)" }

  func prepare<B: Backend>(on bench: SampleBench<B>) throws(BackendError) -> SampleRun {
    let operation = Activate(
      activation, input: try bench.input(rows: rows, columns: columns, deviation: 2),
      output: try bench.output(rows: rows, columns: columns),
      derivative: try bench.output(rows: rows, columns: columns))
    return { () throws(BackendError) in try bench.backend.activate(operation) }
  }
}

struct ActivationBackwardSample: OperationSample {
  let images: Int
  let stack: RowStack
  let columns: Int
  /// One upstream row per prompt of an image.
  let isBroadcast: Bool

  let operation = OperationName.activationBackward
  var detail: String {
    "\(images)·\(stack.rows)×\(columns) prompts \(stack.copies)" + (isBroadcast ? " one row each" : "")
  }

  func prepare<B: Backend>(on bench: SampleBench<B>) throws(BackendError) -> SampleRun {
    let rows = images * stack.rows
    let groups = images * stack.copies
    let operation = ActivationBackward(
      upstream: try bench.input(rows: isBroadcast ? groups : groups * stack.rows, columns: columns),
      derivative: try bench.input(rows: rows, columns: columns), stack: stack,
      gradient: try bench.output(rows: rows * stack.copies, columns: columns))
    return { () throws(BackendError) in try bench.backend.activationBackward(operation) }
  }
}
