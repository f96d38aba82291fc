extension Oracle {
  /// `input[r] + addend[r % addend.rows]`.
  public static func addRows(_ input: DoubleMatrix, addend: DoubleMatrix) -> DoubleMatrix {
    var output = input
    for row in 0..<input.rows {
      for column in 0..<input.columns { output[row, column] += addend[row % addend.rows, column] }
    }
    return output
  }

  /// `source[rowNumbers[r]]`.
  public static func gatherRows(_ source: DoubleMatrix, rowNumbers: [Int]) -> DoubleMatrix {
    DoubleMatrix(
      rows: rowNumbers.count, columns: source.columns, values: rowNumbers.flatMap { Array(source.row($0)) })
  }

  /// The mean of each `rowsPerGroup` rows.
  public static func meanRows(_ input: DoubleMatrix, rowsPerGroup: Int) -> DoubleMatrix {
    var output = DoubleMatrix(rows: input.rows / rowsPerGroup, columns: input.columns)
    for row in 0..<input.rows {
      for column in 0..<input.columns { output[row / rowsPerGroup, column] += input[row, column] }
    }
    return output.map { $0 / Double(rowsPerGroup) }
  }

  /// `Σ_j weights[r][j] · tokens[image(r) · weights.columns + j]`.
  public static func tokenSums(weights: DoubleMatrix, tokens: DoubleMatrix) -> DoubleMatrix {
    let rowsPerImage = weights.rows / (tokens.rows / weights.columns)
    var sums = DoubleMatrix(rows: weights.rows, columns: tokens.columns)
    for row in 0..<weights.rows {
      for token in 0..<weights.columns {
        let weight = weights[row, token]
        let values = tokens.row(row / rowsPerImage * weights.columns + token)
        for (column, value) in values.enumerated() { sums[row, column] += weight * value }
      }
    }
    return sums
  }

  /// `gradient[g · tokens + j] = initial + Σ_h weights[g · rows + h][j] · upstream[(g · rows + h) % upstream.rows]`.
  public static func tokenSumsBackward(
    weights: DoubleMatrix, upstream: DoubleMatrix, groups: Int, initial: DoubleMatrix?
  ) -> DoubleMatrix {
    let (rows, tokens) = (weights.rows / groups, weights.columns)
    var gradient = initial ?? DoubleMatrix(rows: groups * tokens, columns: upstream.columns)
    for row in 0..<gradient.rows {
      for item in row / tokens * rows..<(row / tokens + 1) * rows {
        for (column, value) in upstream.row(item % upstream.rows).enumerated() {
          gradient[row, column] += weights[item, row % tokens] * value
        }
      }
    }
    return gradient
  }

  /// `input / max(‖input‖₂, 1e-12)`, and the divisors.
  public static func normalizeRows(_ input: DoubleMatrix) -> (output: DoubleMatrix, norms: DoubleMatrix) {
    var output = input
    var norms = DoubleMatrix(rows: input.rows, columns: 1)
    for row in 0..<input.rows {
      let length = input.row(row).reduce(0) { $0 + $1 * $1 }.squareRoot()
      norms[row, 0] = max(length, 1e-12)
      for column in 0..<input.columns { output[row, column] = input[row, column] / norms[row, 0] }
    }
    return (output, norms)
  }

  /// `(t_p − (t_p · f_b) f_b) / norms_b` for every image and prompt.
  public static func normalizeRowsBackward(
    directions: DoubleMatrix, normalized: DoubleMatrix, norms: DoubleMatrix
  ) -> DoubleMatrix {
    var gradient = DoubleMatrix(rows: directions.rows * normalized.rows, columns: directions.columns)
    for image in 0..<normalized.rows {
      for prompt in 0..<directions.rows {
        let score = zip(directions.row(prompt), normalized.row(image)).reduce(0) { $0 + $1.0 * $1.1 }
        for column in 0..<directions.columns {
          gradient[image * directions.rows + prompt, column] =
            (directions[prompt, column] - score * normalized[image, column]) / norms[image, 0]
        }
      }
    }
    return gradient
  }
}
