/// The pointwise non-linearity between the two products of a block's MLP (methods §0, §9.6).
///
/// The raw values are the names that checkpoints use in Hugging Face's `hidden_act`.
public enum Activation: String, Sendable, CaseIterable {
  /// `x · Φ(x)`, Φ the normal distribution function, evaluated through erf.
  case gelu = "gelu"
  /// `x · sigmoid(1.702 x)`, the form of OpenAI's and MetaCLIP's weights.
  case quickGELU = "quick_gelu"
  /// `x/2 · (1 + tanh(√(2/π) (x + 0.044715 x³)))`, the form of Hugging Face's SigLIP.
  case geluTanh = "gelu_pytorch_tanh"
  /// `x · sigmoid(x)`, the gate of SwiGLU.
  case silu
}
