/// How weights and the inputs of products are stored. Sums, statistics, softmax and the residual stream are
/// float32 whatever the precision.
public enum Precision: String, Sendable, CaseIterable {
  case f32, f16, bf16

  /// Bytes of one stored weight.
  public var bytes: Int { self == .f32 ? 4 : 2 }
}
