import Compute
import ComputeCPU

/// The MLP's activation by itself (the tower has it in a product's epilogue), with and without its derivative, and
/// its backward.
func activateBenchmarks() {
  let tower = Tower.large
  let (rows, columns) = (tower.tokens, tower.mlpWidth)
  for activation in Activation.allCases {
    for withDerivative in [false, true] {
      let name =
        "Activate \(tower.name) \(activation.rawValue)\(withDerivative ? " derivative" : "") \(rows)x\(columns)"
      measure(name, .elements((withDerivative ? 3 : 2) * rows * columns)) { backend in
        let operation = Activate(
          activation, input: try backend.random(rows: rows, columns: columns),
          output: try backend.makeMatrix(rows: rows, columns: columns),
          derivative: withDerivative ? try backend.makeMatrix(rows: rows, columns: columns) : nil)
        return { try backend.activate(operation) }
      }
    }
  }
  measure("ActivationBackward \(tower.name) \(rows)x\(columns)", .elements(3 * rows * columns)) { backend in
    let operation = ActivationBackward(
      upstream: try backend.random(rows: rows, columns: columns),
      derivative: try backend.random(rows: rows, columns: columns, seed: 2),
      stack: PromptStack(prompts: 1, tokens: rows), gradient: try backend.makeMatrix(rows: rows, columns: columns))
    return { try backend.activationBackward(operation) }
  }
}
