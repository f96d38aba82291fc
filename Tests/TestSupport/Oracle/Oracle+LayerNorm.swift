public import Compute

extension Oracle {
  /// `scale ⊙ (input − mean) / √(variance + epsilon) + shift`; the statistics are mean and `1/√(variance + epsilon)`.
  public static func layerNorm(
    _ input: DoubleMatrix, scale: DoubleMatrix, shift: DoubleMatrix, epsilon: Double
  ) -> (output: DoubleMatrix, statistics: DoubleMatrix) {
    var output = input
    var statistics = DoubleMatrix(rows: input.rows, columns: 2)
    let count = Double(input.columns)
    for row in 0..<input.rows {
      let mean = input.row(row).reduce(0, +) / count
      let variance = input.row(row).reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / count
      let reciprocal = 1 / (variance + epsilon).squareRoot()
      statistics[row, 0] = mean
      statistics[row, 1] = reciprocal
      for column in 0..<input.columns {
        output[row, column] = scale[0, column] * (input[row, column] - mean) * reciprocal + shift[0, column]
      }
    }
    return (output, statistics)
  }

  /// `r · (ĝ − mean(ĝ) − x̂ · mean(ĝ ⊙ x̂)) · factor + addend`, with `upstream`'s row or the prompt's.
  public static func layerNormBackward(
    upstream: DoubleMatrix, input: DoubleMatrix, statistics: DoubleMatrix, scale: DoubleMatrix, stack: RowStack,
    factor: Double = 1, addend: DoubleMatrix? = nil
  ) -> DoubleMatrix {
    var output = DoubleMatrix(rows: input.rows * stack.copies, columns: input.columns)
    let count = Double(input.columns)
    let isBroadcast = upstream.rows != output.rows
    for row in 0..<output.rows {
      let (shared, prompt) = rows(of: row, in: stack)
      let reciprocal = statistics[shared, 1]
      let normalized = input.row(shared).map { ($0 - statistics[shared, 0]) * reciprocal }
      let scaled = zip(scale.row(0), upstream.row(isBroadcast ? prompt : row)).map { $0.0 * $0.1 }
      let mean = scaled.reduce(0, +) / count
      let projection = zip(scaled, normalized).reduce(0) { $0 + $1.0 * $1.1 } / count
      for column in 0..<input.columns {
        let gradient = reciprocal * (scaled[column] - mean - normalized[column] * projection)
        output[row, column] = gradient * factor + (addend?[prompt, column] ?? 0)
      }
    }
    return output
  }

  /// `addend + r · (product − (slopes · scales) / columns · projected)`.
  public static func foldedNormBackward(
    product: DoubleMatrix, slopes: DoubleMatrix, scales: DoubleMatrix, projected: DoubleMatrix,
    statistics: DoubleMatrix, addend: DoubleMatrix, stack: RowStack
  ) -> DoubleMatrix {
    var output = product
    for row in 0..<output.rows {
      let (shared, prompt) = rows(of: row, in: stack)
      let along = zip(slopes.row(shared), scales.row(prompt)).reduce(0) { $0 + $1.0 * $1.1 } / Double(product.columns)
      for column in 0..<output.columns {
        let gradient = product[row, column] - along * projected[shared, column]
        output[row, column] = addend[prompt, column] + statistics[shared, 1] * gradient
      }
    }
    return output
  }
}
