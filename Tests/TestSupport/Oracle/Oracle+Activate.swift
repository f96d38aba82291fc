public import Compute
import Foundation

extension Oracle {
  /// `φ(x)`.
  public static func activation(_ activation: Activation, _ x: Double) -> Double {
    switch activation {
    case .gelu: x * normalDistribution(x)
    case .quickGELU: x * sigmoid(1.702 * x)
    case .silu: x * sigmoid(x)
    case .geluTanh: x / 2 * (1 + tanh((2 / Double.pi).squareRoot() * (x + 0.044715 * x * x * x)))
    }
  }

  /// `φ'(x)`.
  public static func activationDerivative(_ activation: Activation, _ x: Double) -> Double {
    switch activation {
    case .gelu:
      return normalDistribution(x) + x * exp(-x * x / 2) / (2 * Double.pi).squareRoot()
    case .quickGELU:
      let s = sigmoid(1.702 * x)
      return s + 1.702 * x * s * (1 - s)
    case .silu:
      let s = sigmoid(x)
      return s + x * s * (1 - s)
    case .geluTanh:
      let root = (2 / Double.pi).squareRoot()
      let t = tanh(root * (x + 0.044715 * x * x * x))
      return (1 + t) / 2 + x / 2 * (1 - t * t) * root * (1 + 3 * 0.044715 * x * x)
    }
  }

  private static func normalDistribution(_ x: Double) -> Double { erfc(-x / 2.0.squareRoot()) / 2 }

  private static func sigmoid(_ x: Double) -> Double { 1 / (1 + exp(-x)) }

  /// `φ(gate) ⊙ value` of `gate | value`, and its derivatives by both, `value ⊙ φ'(gate) | φ(gate)`.
  public static func gate(
    _ activation: Activation, _ input: DoubleMatrix
  ) -> (output: DoubleMatrix, derivative: DoubleMatrix) {
    let columns = input.columns / 2
    var output = DoubleMatrix(rows: input.rows, columns: columns)
    var derivative = input
    for row in 0..<input.rows {
      for column in 0..<columns {
        let (gate, value) = (input[row, column], input[row, columns + column])
        let activated = self.activation(activation, gate)
        output[row, column] = activated * value
        derivative[row, column] = value * activationDerivative(activation, gate)
        derivative[row, columns + column] = activated
      }
    }
    return (output, derivative)
  }

  /// `derivative[shared row] ⊙ upstream[row, or the prompt's row]`.
  public static func activationBackward(
    upstream: DoubleMatrix, derivative: DoubleMatrix, stack: RowStack
  ) -> DoubleMatrix {
    var gradient = DoubleMatrix(rows: derivative.rows * stack.copies, columns: derivative.columns)
    let isBroadcast = upstream.rows != gradient.rows
    for row in 0..<gradient.rows {
      let (shared, prompt) = rows(of: row, in: stack)
      for column in 0..<gradient.columns {
        gradient[row, column] = derivative[shared, column] * upstream[isBroadcast ? prompt : row, column]
      }
    }
    return gradient
  }
}
