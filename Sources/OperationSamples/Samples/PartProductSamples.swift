import Compute
import Failures

struct ForwardProductSample: OperationSample {
  let rows: Int
  let inner: Int
  let columns: Int

  let operation = OperationName.partProduct
  let scalar = Scalar.float64
  var detail: String { "\(rows)×\(inner)×\(columns) bias" }
  var arithmetic: Double { 2 * Double(rows) * Double(inner) * Double(columns) }

  func prepare<B: Backend>(on bench: SampleBench<B>) throws(BackendError) -> SampleRun {
    let operation = PartProduct(
      .init(try bench.input(rows: rows, columns: inner)),
      .init(try bench.input(rows: columns, columns: inner), transposed: true),
      bias: try bench.input(rows: 1, columns: columns), output: try bench.output(rows: rows, columns: columns))
    return { () throws(BackendError) in try bench.backend.partProduct(operation) }
  }
}

/// The rule of a linear layer: positive parts first, the negative ones are added.
struct RelevanceProductSample: OperationSample {
  let rows: Int
  let prompts: Int
  let inner: Int
  let columns: Int

  let operation = OperationName.partProduct
  let scalar = Scalar.float64
  var detail: String { "\(prompts)·\(rows)×\(inner)×\(columns) parts scale" }
  var arithmetic: Double { 4 * Double(prompts * rows) * Double(inner) * Double(columns) }

  func prepare<B: Backend>(on bench: SampleBench<B>) throws(BackendError) -> SampleRun {
    let left = try bench.input(rows: prompts * rows, columns: inner)
    let right = try bench.input(rows: inner, columns: columns)
    let scale = try bench.input(rows: rows, columns: columns)
    let output = try bench.output(rows: prompts * rows, columns: columns)
    return { () throws(BackendError) in
      for part in [PartProduct<B.Buffer>.Part.positive, .negative] {
        try bench.backend.partProduct(
          PartProduct(
            .init(left), .init(right, part), factor: 0.5, scale: .init(scale, part), accumulates: part == .negative,
            output: output))
      }
    }
  }
}

struct TransposedProductSample: OperationSample {
  let tokens: Int
  let columns: Int

  let operation = OperationName.partProduct
  let scalar = Scalar.float64
  var detail: String { "\(tokens)×\(tokens)×\(columns) transposed" }
  var arithmetic: Double { 2 * Double(tokens) * Double(tokens) * Double(columns) }

  func prepare<B: Backend>(on bench: SampleBench<B>) throws(BackendError) -> SampleRun {
    let operation = PartProduct(
      .init(try bench.input(rows: tokens, columns: tokens), transposed: true),
      .init(try bench.input(rows: tokens, columns: columns)), output: try bench.output(rows: tokens, columns: columns))
    return { () throws(BackendError) in try bench.backend.partProduct(operation) }
  }
}
