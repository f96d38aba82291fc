import ArgumentParser
import ImageFiles

/// The statistics of pixels in place of the folder's.
struct PixelOptions: ParsableArguments {
  @Option(help: "Pixel means R,G,B in place of the folder's.")
  var mean: ChannelValues?

  @Option(help: "Pixel standard deviations R,G,B in place of the folder's.")
  var std: ChannelValues?

  /// Nil where they are not given.
  var statistics: PixelStatistics? {
    guard let mean, let std else { return nil }
    return PixelStatistics(mean: mean.values, std: std.values)
  }

  func validate() throws {
    guard (mean == nil) == (std == nil) else { throw ValidationError("--mean and --std belong together; give both") }
    if let std, !std.values.allSatisfy({ $0 > 0 }) {
      throw ValidationError("--std: expected three numbers above zero, found \(std.values)")
    }
  }
}

/// Three numbers, one a colour channel.
struct ChannelValues: ExpressibleByArgument, Equatable, Sendable {
  static let allValueStrings = ["R,G,B"]

  let values: [Double]

  init?(argument: String) {
    let parts = argument.split(separator: ",", omittingEmptySubsequences: false)
    let values = parts.compactMap { Double($0.trimmingSpaces()) }
    guard parts.count == 3, values.count == 3, values.allSatisfy(\.isFinite) else { return nil }
    self.values = values
  }
}
