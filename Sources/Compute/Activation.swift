/// The function between the two layers of an MLP, applied to each element.
public enum Activation: String, Sendable, CaseIterable {
  /// `x · Φ(x) = x/2 · (1 + erf(x/√2))`, the exact form.
  case gelu
  /// `x · σ(1.702 x) = x / (1 + exp(−1.702 x))`, of OpenAI's CLIP weights.
  case quickGELU
  /// `x/2 · (1 + tanh(√(2/π) · (x + 0.044715 x³)))`, the tanh approximation of `gelu`.
  case geluTanh
}
