import Compute
import ComputeCPU

/// Multi-head attention of one image, and its full backward.
func attentionBenchmarks() {
  for tower in Tower.all {
    let (rows, width) = (tower.tokens, tower.width)
    // Of one of the products with the map, over all heads.
    let product = 2 * Double(rows) * Double(rows) * Double(width)
    measure("Attention \(tower.name) \(rows)x\(width)", .arithmetic(2 * product)) { backend in
      let projected = try backend.random(rows: rows, columns: 3 * width)
      let operation = Attention(
        queries: projected.columns(0..<width), keys: projected.columns(width..<2 * width),
        values: projected.columns(2 * width..<3 * width), heads: tower.heads, tokens: rows,
        output: try backend.makeMatrix(rows: rows, columns: width))
      return { try backend.attention(operation) }
    }
    measure("AttentionBackward \(tower.name) \(rows)x\(width)", .arithmetic(5 * product)) { backend in
      let projected = try backend.random(rows: rows, columns: 3 * width)
      let gradients = try backend.makeMatrix(rows: rows, columns: 3 * width)
      let operation = AttentionBackward(
        upstream: try backend.random(rows: rows, columns: width, seed: 2), queries: projected.columns(0..<width),
        keys: projected.columns(width..<2 * width), values: projected.columns(2 * width..<3 * width),
        heads: tower.heads, tokens: rows, queryGradient: gradients.columns(0..<width),
        keyGradient: gradients.columns(width..<2 * width), valueGradient: gradients.columns(2 * width..<3 * width))
      return { try backend.attentionBackward(operation) }
    }
  }
}
