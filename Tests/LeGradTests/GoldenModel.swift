import LeGrad
import NpyFiles
import TestSupport

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

  func floats(_ name: String) throws -> [Float] { try NpyFile.readFloats(path: Fixtures.path("\(answers)/\(name)")).values }

  func ints(_ name: String) throws -> [Int] { try NpyFile.readInts(path: Fixtures.path("\(answers)/\(name)")).values }

  func path(_ name: String) -> String { Fixtures.path("\(answers)/\(name)") }

  func expected(_ size: (height: Int, width: Int), _ name: String) throws -> [Float] {
    try floats("expected/\(size.height)x\(size.width)/\(name).npy")
  }

  /// Prompts, one per line.
  func prompts() throws -> [String] { try Fixtures.lines("\(answers)/inputs/prompts.txt") }
}
