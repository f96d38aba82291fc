import Compute
import ComputeCPU

/// The products of a block with the epilogues that the tower gives them, and those of the local backward.
func matmulBenchmarks() {
  for tower in Tower.all {
    for precision in Machine.precisions {
      for product in Product.all(of: tower) { matmul(tower, precision, product) }
    }
  }
}

private struct Product {
  enum Epilogue { case none, bias, biasActivation, biasActivationDerivative, biasResidual }

  let name: String
  /// Of the weight.
  let outputs: Int
  let inputs: Int
  var side = Matmul<CPUBuffer, CPUWeight>.Side.outputs
  var epilogue = Epilogue.none
  /// The activation's backward folded into the left operand, for so many prompts.
  var scaledPrompts: Int?

  static func all(of tower: Tower) -> [Product] {
    let (width, mlpWidth) = (tower.width, tower.mlpWidth)
    return [
      Product(name: "queries-keys-values bias", outputs: 3 * width, inputs: width, epilogue: .bias),
      Product(name: "attention-output bias residual", outputs: width, inputs: width, epilogue: .biasResidual),
      Product(name: "mlp-input bias gelu", outputs: mlpWidth, inputs: width, epilogue: .biasActivation),
      Product(
        name: "mlp-input bias gelu derivative", outputs: mlpWidth, inputs: width, epilogue: .biasActivationDerivative),
      Product(name: "mlp-output bias residual", outputs: width, inputs: mlpWidth, epilogue: .biasResidual),
      Product(name: "attention-output backward", outputs: width, inputs: width, side: .inputs),
      Product(name: "mlp-input backward scaled", outputs: mlpWidth, inputs: width, side: .inputs, scaledPrompts: 1),
    ]
  }
}

private func matmul(_ tower: Tower, _ precision: Precision, _ product: Product) {
  let isForward = product.side == .outputs
  let columns = isForward ? product.outputs : product.inputs
  let depth = isForward ? product.inputs : product.outputs
  let rows = tower.tokens
  let name = "Matmul \(tower.name) \(product.name) \(rows)x\(columns)x\(depth) \(precision.rawValue)"
  let operations = 2 * Double(rows) * Double(columns) * Double(depth)
  measure(name, precision: precision, .arithmetic(operations)) { backend in
    let weight = try backend.randomWeight(outputs: product.outputs, inputs: product.inputs)
    let output = try backend.makeMatrix(rows: rows, columns: columns)
    let inputScale: Matmul<CPUBuffer, CPUWeight>.InputScale? = try product.scaledPrompts.map { prompts in
      .init(
        scales: try backend.random(rows: prompts, columns: depth, seed: 3),
        stack: PromptStack(prompts: prompts, tokens: rows))
    }
    let operation = Matmul(
      input: try backend.random(rows: rows, columns: depth), inputScale: inputScale, weight: weight,
      side: product.side, output: output,
      epilogue: try epilogue(product.epilogue, rows: rows, columns: columns, on: backend))
    return { try backend.matmul(operation) }
  }
}

private func epilogue(
  _ kind: Product.Epilogue, rows: Int, columns: Int, on backend: CPUBackend
) throws -> Matmul<CPUBuffer, CPUWeight>.Epilogue {
  if kind == .none { return .init() }
  let bias = try backend.random(rows: 1, columns: columns, seed: 4)
  switch kind {
  case .none, .bias: return .init(bias: bias)
  case .biasActivation: return .init(bias: bias, activation: .gelu)
  case .biasActivationDerivative:
    return .init(bias: bias, activation: .gelu, derivative: try backend.makeMatrix(rows: rows, columns: columns))
  case .biasResidual: return .init(bias: bias, residual: try backend.random(rows: rows, columns: columns, seed: 5))
  }
}
