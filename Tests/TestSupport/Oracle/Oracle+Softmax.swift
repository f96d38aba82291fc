import Foundation

extension Oracle {
  /// `exp(input − max) / Σ exp(input − max)` over each row.
  public static func softmax(_ input: DoubleMatrix) -> DoubleMatrix {
    var output = input
    for row in 0..<input.rows {
      let largest = input.row(row).reduce(-.infinity, max)
      var sum = 0.0
      for column in 0..<input.columns {
        output[row, column] = exp(input[row, column] - largest)
        sum += output[row, column]
      }
      for column in 0..<input.columns { output[row, column] /= sum }
    }
    return output
  }

  /// `output ⊙ (upstream − Σ(upstream ⊙ output))` over each row.
  public static func softmaxBackward(upstream: DoubleMatrix, output: DoubleMatrix) -> DoubleMatrix {
    var gradient = upstream
    for row in 0..<output.rows {
      let projection = zip(upstream.row(row), output.row(row)).reduce(0) { $0 + $1.0 * $1.1 }
      for column in 0..<output.columns {
        gradient[row, column] = output[row, column] * (upstream[row, column] - projection)
      }
    }
    return gradient
  }
}
