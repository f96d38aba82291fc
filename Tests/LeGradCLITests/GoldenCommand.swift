import Foundation
import NpyFiles
import TestSupport
import Testing

/// The golden model on the command line.
enum GoldenCommand {
  static let model = Fixtures.path("clip/model")
  static let image = Fixtures.path("clip/inputs/image_32x32.png")
  static let prompts = ["a photo of a cat", "two red circles", "the sky"]
  static var promptArguments: [String] { prompts.flatMap { ["-p", $0] } }

  static func expected(_ name: String) throws -> NpyArray<Float> {
    try NpyFile.readFloats(Fixtures.path("clip/expected/\(name).npy"))
  }
}

/// Same shape, and values within `relative` of the largest expected one.
func expectClose(
  _ actual: NpyArray<Float>, _ expected: NpyArray<Float>, relative: Float,
  sourceLocation: SourceLocation = #_sourceLocation
) {
  #expect(actual.shape == expected.shape, sourceLocation: sourceLocation)
  guard actual.shape == expected.shape else { return }
  let scale = expected.values.map(abs).max() ?? 0
  let worst = zip(actual.values, expected.values).map { abs($0 - $1) }.max() ?? 0
  #expect(worst <= relative * scale, "error \(worst) of \(scale)", sourceLocation: sourceLocation)
}
