import Evaluation
import Files
import LeGrad

extension Harnesses {
  /// What is kept between runs: any bytes in place of a sealed file, and any bytes under a seal that fits them.
  static let caches = [
    Harness(
      "sealed", maximumLength: 4_096, testRuns: 100,
      words: ["\u{0}\u{0}\u{80}\u{3F}", "\u{0}\u{0}\u{C0}\u{7F}", "\u{1}\u{0}\u{0}\u{0}", "\u{FF}\u{FF}\u{FF}\u{7F}"],
      seeds: {
        // Rows of one and zeros for two classes, and the five numbers behind them, with a seal or without.
        let one: [UInt8] = [0, 0, 0x80, 0x3F]
        let row = one + [UInt8](repeating: 0, count: 4 * 31)
        let number: [UInt8] = [1, 0, 0, 0]
        let content = row + row + number + number + number + number + number
        return [[1] + content, [0] + [UInt8](repeating: UInt8(ascii: "0"), count: 64) + content]
      },
      reader: { bench in
        let folder = try bench.folder("cache")
        let explainer = try Explainer(Model(folder: FixtureFiles.path("clip/model")), options: singleThread)
        let names = ["cat", "red fox"]
        func encode() throws(LeGradError) -> ImageClassifier {
          try ImageClassifier.encode(
            names, templates: PromptTemplates(["a photo of a {}"]), explainer: explainer, modelHash: "model",
            cacheFolder: folder)
        }
        let rows = try encode().rows.values
        guard let file = try FileTree.names(in: folder).first?.text, let stem = file.split(separator: ".").first else {
          throw Finding("nothing was kept in \(folder)")
        }
        return { bytes throws(Finding) in
          let isSealed = (bytes.first ?? 0) & 1 == 1
          let content = Array(bytes.dropFirst())
          var seal = SHA256()
          seal.update(Array(stem.utf8) + content)
          try bench.write((isSealed ? Array(seal.finish().utf8) : []) + content, "cache/" + file)
          guard let read = try taken(encode) else { throw Finding("a file of the cache has classes refused") }
          try require(isSealed || read.rows.values == rows, "a file without a seal is used")
          try require(read.rows.count == names.count, "\(read.rows.count) rows for \(names.count) classes")
        }
      })
  ]

  static var singleThread: Explainer.Options {
    var options = Explainer.Options()
    options.device = .cpu
    options.threads = 1
    return options
  }
}
