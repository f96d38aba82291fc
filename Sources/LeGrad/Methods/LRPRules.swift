import Compute
import VisionTransformer

/// The rules by which relevance passes from what a layer gives to what it took (methods §3.1, alpha 1, beta 0).
///
/// A relevance may have the rows of several prompts, one prompt after the other, where the layer's own values have those
/// of one image.
enum LRPRules {
  /// Relevance by value, with the public code's guard against zero.
  static func quotient(_ relevance: Double, _ value: Double) -> Double {
    guard value != 0 else { return 0 }
    let divisor = value + 1e-9
    return relevance / (divisor == 0 ? 1e-9 : divisor)
  }

  /// `relevance / total` for each element, `total` repeated for each prompt.
  static func quotients(_ relevance: Float64Matrix, _ total: Float64Matrix) -> Float64Matrix {
    var result = relevance
    let count = total.values.count
    for index in result.values.indices {
      result.values[index] = quotient(result.values[index], total.values[index % count])
    }
    return result
  }

  /// `values ⊙ quotients · factor`, `values` repeated for each prompt.
  static func share(_ values: Float64Matrix, of quotients: Float64Matrix, factor: Double = 1) -> Float64Matrix {
    var result = quotients
    let count = values.values.count
    for index in result.values.indices { result.values[index] *= factor * values.values[index % count] }
    return result
  }

  /// What two branches say of the value that both read.
  static func fork(_ value: Float64Matrix, _ first: Float64Matrix, _ second: Float64Matrix) -> Float64Matrix {
    var result = first
    let count = value.values.count
    for index in result.values.indices {
      let x = value.values[index % count]
      result.values[index] = x * (quotient(first.values[index], x) + quotient(second.values[index], x))
    }
    return result
  }
}

extension Float64Matrix {
  /// `max(x, 0)`, or `min(x, 0)`.
  func part(positive: Bool) -> Float64Matrix {
    var result = self
    for index in result.values.indices where (result.values[index] > 0) != positive { result.values[index] = 0 }
    return result
  }
}

extension Float64Forward {
  /// Relevance at `x Wᵀ` to `x`: positive parts by their own sum, negative parts by theirs; the bias takes none.
  func linearRule(
    _ relevance: Float64Matrix, input: Float64Matrix, weight: Float64Matrix
  ) throws(ModelError) -> Float64Matrix {
    var result: Float64Matrix?
    for positive in [true, false] {
      let (x, w) = (input.part(positive: positive), weight.part(positive: positive))
      let quotients = LRPRules.quotients(relevance, try multiply(x, w, transposed: true))
      let share = LRPRules.share(x, of: try multiply(quotients, w, transposed: false))
      result = result.map { $0.adding(share) } ?? share
    }
    guard let result else { preconditionFailure("two parts") }
    return result
  }
}
