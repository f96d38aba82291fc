import Compute
import ComputeCPU

/// LeGrad's sum over heads and queries, for one prompt and for eight that share the values.
func attentionRelevanceBenchmarks() {
  for tower in Tower.all {
    for prompts in [1, 8] {
      let (tokens, width) = (tower.tokens, tower.width)
      let operations = 2 * Double(prompts) * Double(tokens) * Double(tokens) * Double(width)
      let name = "AttentionRelevance \(tower.name) \(tokens)x\(width) prompts \(prompts)"
      measure(name, .arithmetic(operations)) { backend in
        let projected = try backend.random(rows: tokens, columns: 3 * width)
        let operation = AttentionRelevance(
          outputGradient: try backend.random(rows: prompts * tokens, columns: width, seed: 2),
          values: projected.columns(2 * width..<3 * width), heads: tower.heads,
          stack: PromptStack(prompts: prompts, tokens: tokens),
          relevance: try backend.makeMatrix(rows: prompts, columns: tokens))
        return { try backend.attentionRelevance(operation) }
      }
    }
  }
}
