extension RGBImage {
  /// The picture as a model reads it: `[3, height, width]`, `(pixel / 255 − mean) / std`, each step in float32 as
  /// torchvision computes it.
  /// - Precondition: three means and three standard deviations.
  public func normalised(by statistics: PixelStatistics) -> [Float] {
    planar(mean: statistics.mean.map { Float($0) }, std: statistics.std.map { Float($0) })
  }

  /// The picture as `normalised(by:)` has it, each step in float64.
  public func normalisedInDouble(by statistics: PixelStatistics) -> [Double] {
    planar(mean: statistics.mean, std: statistics.std)
  }

  private func planar<Scalar: BinaryFloatingPoint>(mean: [Scalar], std: [Scalar]) -> [Scalar] {
    var planes: [Scalar] = []
    planes.reserveCapacity(pixels.count)
    for channel in 0..<3 {
      let values = (0..<256).map { (Scalar($0) / 255 - mean[channel]) / std[channel] }
      for index in stride(from: channel, to: pixels.count, by: 3) {
        planes.append(values[Int(pixels[index])])
      }
    }
    return planes
  }
}
