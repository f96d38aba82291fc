import Compute
import VisionTransformer

extension SampleSizes {
  var pointwiseSamples: [any OperationSample] {
    Scalar.allCases.flatMap { scalar in
      Activation.allCases.map { ActivateSample(activation: $0, rows: rows, columns: mlpWidth, scalar: scalar) }
    }
      + [true, false].map {
        ActivationBackwardSample(images: images, stack: stack, columns: mlpWidth, isBroadcast: $0)
      }
      + Scalar.allCases.map { SoftmaxSample(rows: rows, columns: tokens, scalar: $0) }
      + [SoftmaxBackwardSample(rows: rows, columns: tokens)]
  }
}

private struct ActivateSample: OperationSample {
  let activation: Activation
  let rows: Int
  let columns: Int
  let scalar: Scalar

  let operation = "activate"
  var detail: String { "\(rows)×\(columns) \(activation.rawValue) derivative\(scalar.label)" }

  func prepare<B: Backend>(on bench: SampleBench<B>) throws(BackendError) -> SampleRun {
    let operation = Activate(
      activation, input: try bench.input(rows: rows, columns: columns, deviation: 2),
      output: try bench.output(rows: rows, columns: columns),
      derivative: try bench.output(rows: rows, columns: columns))
    return { () throws(BackendError) in try bench.backend.activate(operation) }
  }
}

private struct ActivationBackwardSample: OperationSample {
  let images: Int
  let stack: PromptStack
  let columns: Int
  /// One upstream row per prompt of an image.
  let isBroadcast: Bool

  let operation = "activationBackward"
  var detail: String {
    "\(images)·\(stack.tokens)×\(columns) prompts \(stack.prompts)" + (isBroadcast ? " one row each" : "")
  }

  func prepare<B: Backend>(on bench: SampleBench<B>) throws(BackendError) -> SampleRun {
    let rows = images * stack.tokens
    let groups = images * stack.prompts
    let operation = ActivationBackward(
      upstream: try bench.input(rows: isBroadcast ? groups : groups * stack.tokens, columns: columns),
      derivative: try bench.input(rows: rows, columns: columns), stack: stack,
      gradient: try bench.output(rows: rows * stack.prompts, columns: columns))
    return { () throws(BackendError) in try bench.backend.activationBackward(operation) }
  }
}

private struct SoftmaxSample: OperationSample {
  let rows: Int
  let columns: Int
  let scalar: Scalar

  let operation = "softmax"
  var detail: String { "\(rows)×\(columns)\(scalar.label)" }

  func prepare<B: Backend>(on bench: SampleBench<B>) throws(BackendError) -> SampleRun {
    let operation = Softmax(
      input: try bench.input(rows: rows, columns: columns, deviation: 3), factor: 0.75,
      output: try bench.output(rows: rows, columns: columns))
    return { () throws(BackendError) in try bench.backend.softmax(operation) }
  }
}

private struct SoftmaxBackwardSample: OperationSample {
  let rows: Int
  let columns: Int

  let operation = "softmaxBackward"
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
