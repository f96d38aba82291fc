import FoundationEssentials
import LeGrad
import NpyFiles
import TestSupport
import Testing

/// A small random model with inputs and float64 answers, in one checkpoint layout.
struct GoldenModel: Sendable, CustomTestStringConvertible {
  /// Folder of the weights.
  let layout: String
  /// Folder of inputs and answers.
  let answers: String
  /// Height and width of every input size with an answer.
  let sizes: [(height: Int, width: Int)]

  var testDescription: String { layout }

  static let clip = [(height: 32, width: 32), (48, 48), (32, 56)]
  static let all = [
    GoldenModel(layout: "clip", answers: "clip", sizes: clip),
    GoldenModel(layout: "clip-hf", answers: "clip", sizes: clip),
    GoldenModel(layout: "clip-hf-sharded", answers: "clip", sizes: clip),
    GoldenModel(layout: "clip-odd", answers: "clip-odd", sizes: [(40, 40), (72, 24)]),
  ]

  func open() throws -> Model { try Model(folder: Fixtures.path("\(layout)/model")) }

  func floats(_ name: String) throws -> [Float] { try NpyFile.readFloats(Fixtures.path("\(answers)/\(name)")).values }

  func ints(_ name: String) throws -> [Int] { try NpyFile.readInts(Fixtures.path("\(answers)/\(name)")).values }

  func path(_ name: String) -> String { Fixtures.path("\(answers)/\(name)") }

  func expected(_ size: (height: Int, width: Int), _ name: String) throws -> [Float] {
    try floats("expected/\(size.height)x\(size.width)/\(name).npy")
  }

  /// Prompts, one per line.
  func prompts() throws -> [String] { try lines("inputs/prompts.txt") }

  private func lines(_ name: String) throws -> [String] {
    try String(contentsOf: URL(filePath: path(name)), encoding: .utf8).split(separator: "\n").map(String.init)
  }
}

/// Expects every value within `absolute` of the expected one.
func expectClose(
  _ actual: [Float], _ expected: [Float], absolute: Float, sourceLocation: SourceLocation = #_sourceLocation
) {
  guard actual.count == expected.count else {
    Issue.record("\(actual.count) values, expected \(expected.count)", sourceLocation: sourceLocation)
    return
  }
  let worst = actual.indices.max { abs(actual[$0] - expected[$0]) < abs(actual[$1] - expected[$1]) }
  guard let worst, !actual.allSatisfy(\.isFinite) || !(abs(actual[worst] - expected[worst]) <= absolute) else { return }
  Issue.record(
    "value \(worst) is \(actual[worst]), expected \(expected[worst]) within \(absolute)", sourceLocation: sourceLocation
  )
}

/// Expects every value within a share of the largest expected one.
func expectClose(
  _ actual: [Float], _ expected: [Float], relativeToMaximum share: Float,
  sourceLocation: SourceLocation = #_sourceLocation
) {
  let maximum = expected.reduce(0) { max($0, abs($1)) }
  expectClose(actual, expected, absolute: share * maximum, sourceLocation: sourceLocation)
}
