public import Compute

extension Oracle {
  /// `scores[r · heads + h][j] = factor · rows[r % rows.rows]_h · tokens[image(r) · tokens + j]_h`.
  public static func keyScores(
    rows: DoubleMatrix, tokens: DoubleMatrix, heads: Int, factor: Double = 1, stack: RowStack
  ) -> DoubleMatrix {
    let width = tokens.columns / heads
    let stacked = tokens.rows / stack.rows * stack.copies
    var scores = DoubleMatrix(rows: stacked * heads, columns: stack.rows)
    for row in 0..<stacked {
      for head in 0..<heads {
        for key in 0..<stack.rows {
          let token = row / stack.copies * stack.rows + key
          for column in head * width..<(head + 1) * width {
            scores[row * heads + head, key] += factor * rows[row % rows.rows, column] * tokens[token, column]
          }
        }
      }
    }
    return scores
  }

  /// `relevance[r][j] = factor · reading(map of image r / prompts, gradient of r)_j`.
  public static func keyRelevance(
    _ reading: HeadReading, map: DoubleMatrix?, gradient: DoubleMatrix?, rows: Int, heads: Int, leadingKeys: Int,
    factor: Double
  ) -> DoubleMatrix {
    let tokens = map?.columns ?? gradient?.columns ?? 0
    let prompts = map.map { rows * heads / $0.rows } ?? 1
    var relevance = DoubleMatrix(rows: rows, columns: tokens)
    for row in 0..<rows {
      for head in 0..<heads {
        let a = map.map { Array($0.row(row / prompts * heads + head)) } ?? []
        let g = gradient.map { Array($0.row(row * heads + head)) } ?? []
        let weight = g.dropFirst(leadingKeys).reduce(0, +) / Double(tokens - leadingKeys)
        for key in 0..<tokens {
          let term =
            switch reading {
            case .map: a[key]
            case .positiveGradient: max(0, g[key])
            case .positiveProduct: max(0, a[key] * g[key])
            case .product: a[key] * g[key]
            case .weightedMap: weight * a[key]
            }
          relevance[row, key] += term
        }
      }
    }
    return relevance.map { factor * (reading == .weightedMap ? max(0, $0) : $0) }
  }

  /// `factor · (row + row · M)`, `M` the mean over heads of the maps, or of the positive parts of maps ⊙ gradients.
  public static func rowThroughMap(
    row: DoubleMatrix, maps: [DoubleMatrix], gradients: [DoubleMatrix]?, heads: Int, prompts: Int, factor: Double
  ) -> DoubleMatrix {
    var output = row
    for stacked in 0..<row.rows {
      for head in 0..<heads {
        let map = maps[stacked / prompts * heads + head]
        let gradient = gradients?[stacked * heads + head]
        for query in 0..<row.columns {
          for key in 0..<row.columns {
            let element = gradient.map { max(0, $0[query, key] * map[query, key]) } ?? map[query, key]
            output[stacked, key] += row[stacked, query] * element / Double(heads)
          }
        }
      }
    }
    return output.map { factor * $0 }
  }
}
