extension Oracle {
  /// `value[s] · div(relevance[r], total[s])`, `s = r % total.rows`, `div` with the guard of the public LRP code.
  public static func relevanceShare(
    _ relevance: DoubleMatrix, total: DoubleMatrix, value: DoubleMatrix?, initial: DoubleMatrix?
  ) -> DoubleMatrix {
    var output = initial ?? DoubleMatrix(rows: relevance.rows, columns: relevance.columns)
    for row in 0..<output.rows {
      let shared = row % total.rows
      for column in 0..<output.columns {
        let divisor = total[shared, column]
        guard divisor != 0 else { continue }
        let quotient = relevance[row, column] / (divisor + 1e-9 == 0 ? 1e-9 : divisor + 1e-9)
        output[row, column] += quotient * (value?[shared, column] ?? 1)
      }
    }
    return output
  }

  /// `factor · scale[r % scale.rows] · Σ_k left[r][k] · right[k] + bias`.
  public static func partProduct(
    _ left: DoubleMatrix, _ right: DoubleMatrix, factor: Double, scale: DoubleMatrix?, bias: DoubleMatrix?,
    initial: DoubleMatrix?
  ) -> DoubleMatrix {
    var output = matmul(left, weight: right, side: .inputs)
    for row in 0..<output.rows {
      for column in 0..<output.columns {
        output[row, column] =
          factor * (scale.map { $0[row % $0.rows, column] } ?? 1) * output[row, column] + (bias?[0, column] ?? 0)
          + (initial?[row, column] ?? 0)
      }
    }
    return output
  }
}
