/// How weights and the inputs of products are stored. Sums, statistics, softmax and the residual stream are
/// float32 whatever the precision.
public enum Precision: String, Sendable, CaseIterable {
  case f32, f16, bf16
  /// Two bfloat16 parts each, sixteen bits together, where kernels multiply on matrix units; float32 everywhere else.
  /// Products keep the bounds of float32; whole explanations are off by at most five times as much.
  case bf16Split = "bf16-split"

  /// Those that differ where products are not on matrix units: the types of elements.
  public static let allStored: [Precision] = [.f32, .f16, .bf16]

  /// Whether results are held to the bounds of float32.
  public var isNearFloat32: Bool { self == .f32 || self == .bf16Split }

  /// Bytes of one stored weight.
  public var bytes: Int {
    switch self {
    case .f32, .bf16Split: 4
    case .f16, .bf16: 2
    }
  }
}
