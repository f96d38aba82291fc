import Compute
import ComputeCPU

/// The layer norm of one image's tokens, and its backward for a stack of prompts.
func layerNormBenchmarks() {
  for tower in Tower.all {
    let (rows, width) = (tower.tokens, tower.width)
    measure("LayerNorm \(tower.name) \(rows)x\(width)", .elements(2 * rows * width)) { backend in
      let operation = LayerNorm(
        input: try backend.random(rows: rows, columns: width),
        scale: try backend.random(rows: 1, columns: width, seed: 2),
        shift: try backend.random(rows: 1, columns: width, seed: 3), epsilon: 1e-5,
        output: try backend.makeMatrix(rows: rows, columns: width),
        statistics: try backend.makeMatrix(rows: rows, columns: 2))
      return { try backend.layerNorm(operation) }
    }
    for prompts in [1, 8] { layerNormBackward(tower, prompts: prompts) }
  }
}

private func layerNormBackward(_ tower: Tower, prompts: Int) {
  let (tokens, width) = (tower.tokens, tower.width)
  let name = "LayerNormBackward \(tower.name) \(tokens)x\(width) prompts \(prompts)"
  // The input is read once, upstream and output have a row per prompt and token.
  measure(name, .elements((1 + 2 * prompts) * tokens * width)) { backend in
    let input = try backend.random(rows: tokens, columns: width)
    let scale = try backend.random(rows: 1, columns: width, seed: 2)
    let statistics = try backend.makeMatrix(rows: tokens, columns: 2)
    let output = try backend.makeMatrix(rows: prompts * tokens, columns: width)
    try backend.layerNorm(
      LayerNorm(
        input: input, scale: scale, shift: scale, epsilon: 1e-5, output: output.rows(0..<tokens),
        statistics: statistics))
    let operation = LayerNormBackward(
      upstream: try backend.random(rows: prompts * tokens, columns: width, seed: 3), input: input,
      statistics: statistics, scale: scale, stack: PromptStack(prompts: prompts, tokens: tokens),
      addend: try backend.random(rows: prompts, columns: width, seed: 4), output: output)
    return { try backend.layerNormBackward(operation) }
  }
}
