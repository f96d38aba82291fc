/// What a model's pixels are normalised by: mean and standard deviation of red, green and blue, of values in 0…1.
public struct PixelStatistics: Equatable, Sendable {
  public let mean: [Double]
  public let std: [Double]

  /// Nil unless both are three finite numbers and the standard deviations are above zero.
  public init?(mean: [Double], std: [Double]) {
    guard mean.count == 3, std.count == 3, (mean + std).allSatisfy(\.isFinite), std.allSatisfy({ $0 > 0 }) else {
      return nil
    }
    self.mean = mean
    self.std = std
  }

  /// A half each, which maps 0…1 to −1…1.
  public static let halves = PixelStatistics(half: 0.5)

  private init(half: Double) {
    mean = [half, half, half]
    std = mean
  }
}
