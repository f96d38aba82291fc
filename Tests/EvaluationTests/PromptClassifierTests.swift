import Failures
import Files
import FoundationEssentials
import LeGrad
import TestSupport
import Testing
import VisionTransformer

@testable import Evaluation

@Suite("Classifier from prompts")
struct PromptClassifierTests {
  private let explainer: Explainer
  private let hash: String
  private let scratch: ScratchFolder
  private let names = ["red circle", "blue star", "green ring"]

  init() throws {
    explainer = try Explainer.demo()
    hash = try #require(try explainer.model.fileHash())
    scratch = try ScratchFolder()
  }

  private func classifier(_ templates: [String], names: [String]? = nil, hash: String? = nil) throws
    -> ImageClassifier
  {
    try ImageClassifier.encode(
      names ?? self.names, templates: PromptTemplates(templates), explainer: explainer, modelHash: hash ?? self.hash,
      cacheFolder: scratch.path + "/cache")
  }

  private var kept: [String] {
    ((try? FileManager.default.contentsOfDirectory(atPath: scratch.path + "/cache")) ?? []).map {
      scratch.path + "/cache/" + $0
    }.sorted()
  }

  @Test("a row is the normalised mean of the normalised embeddings of its prompts")
  func rows() throws {
    let templates = ["a {}", "there is a {} here", "{}"]
    let classifier = try classifier(templates)
    for (index, name) in names.enumerated() {
      let prompts = try explainer.encode(["a \(name)", "there is a \(name) here", name])
      var mean = [Double](repeating: 0, count: prompts.width)
      for prompt in 0..<3 {
        let row = prompts.row(prompt).map(Double.init)
        let norm = row.reduce(0) { $0 + $1 * $1 }.squareRoot()
        for column in row.indices { mean[column] += row[column] / norm / 3 }
      }
      let norm = mean.reduce(0) { $0 + $1 * $1 }.squareRoot()
      for (value, expected) in zip(classifier.rows.row(index), mean) {
        #expect(abs(Double(value) - expected / norm) < 1e-6)
      }
    }
    #expect(classifier.source == .templates("3 templates") && classifier.rows.prompts == names)
  }

  @Test("more prompts than are encoded together change nothing")
  func batches() throws {
    let many = (0..<1500).map { names[$0 % 3] }
    let classifier = try classifier(["a {}", "the {}", "{}"], names: many)
    let few = try self.classifier(["a {}", "the {}", "{}"])
    for index in [0, 1364, 1365, 1366, 1499] {
      #expect(Array(classifier.rows.row(index)) == Array(few.rows.row(index % 3)))
    }
  }

  @Test("the nearest row is the class, the first of equals")
  func nearest() throws {
    let rows = try TextEmbeddings(rows: [1, 0, 0, 1, 0, 1, 0.6, 0.8], width: 2)
    let classifier = try ImageClassifier(["a", "b", "c", "d"], rows: rows)
    #expect(classifier.classify([1, 0]) == 0)
    #expect(classifier.classify([0, 1]) == 1)
    #expect(classifier.classify([0.6, 0.8]) == 3)
    #expect(classifier.classify([-1, 0]) == 1)
    #expect(throws: LeGradError.self) { try ImageClassifier(["a"], rows: rows) }
  }

  @Test("classification equals a plain loop in float64")
  func plainLoop() throws {
    var random = SeededRandom(seed: 4)
    let rows = try TextEmbeddings(rows: (0..<50 * 13).map { _ in Float(random.normal()) }, width: 13)
    let classifier = try ImageClassifier((0..<50).map { "\($0)" }, rows: rows)
    for _ in 0..<200 {
      let embedding = (0..<13).map { _ in Float(random.normal()) }
      let cosines = (0..<50).map { row in
        zip(rows.row(row), embedding).reduce(0.0) { $0 + Double($1.0) * Double($1.1) }
      }
      #expect(classifier.classify(embedding) == cosines.indices.max { cosines[$0] < cosines[$1] })
    }
  }

  @Test("embeddings are kept by model, names and templates")
  func cache() throws {
    let first = try classifier(["a {}"])
    #expect(kept.count == 1)
    // Another encoding would be seen by its progress.
    let again = try ImageClassifier.encode(
      names, templates: PromptTemplates(["a {}"]), explainer: explainer, modelHash: hash,
      cacheFolder: scratch.path + "/cache"
    ) { _, _ in Issue.record("encoded again") }
    #expect(again.rows.values == first.rows.values && again.hash == first.hash)
    let others = [
      try classifier(["the {}"]), try classifier(["a {}", "the {}"]), try classifier(["a {}"], names: names.reversed()),
      try classifier(["a {}"], hash: "another model"),
    ]
    #expect(kept.count == 5)
    #expect(Set((others.dropLast() + [first]).map(\.hash)).count == 4)
  }

  @Test("what is damaged in the cache is computed again")
  func damagedCache() throws {
    let first = try classifier(["a {}"])
    let path = try #require(kept.first)
    let whole = try [UInt8](Data(contentsOf: URL(filePath: path)))
    var flipped = whole
    flipped[100] ^= 0x40
    for damaged in [flipped, Array(whole.dropLast(4)), [], Array("text".utf8)] {
      try Data(damaged).write(to: URL(filePath: path))
      #expect(try classifier(["a {}"]).rows.values == first.rows.values)
      #expect(try [UInt8](Data(contentsOf: URL(filePath: path))) == whole)
    }
    // Sealed by somebody who knows how, but not unit rows.
    let parts = [
      "class embeddings 2", hash, explainer.device.arithmetic, "f32", first.hash,
    ]
    SealedCache(folder: scratch.path + "/cache", fileExtension: "classes", sizeLimit: 1 << 20).keep(
      [UInt8](repeating: 0xFF, count: whole.count - 64), parts)
    #expect(kept.count == 1)
    #expect(try classifier(["a {}"]).rows.values == first.rows.values)
  }

  @Test("nothing is kept for a model without a hash, or without a folder")
  func noCache() throws {
    _ = try ImageClassifier.encode(
      names, templates: .standard, explainer: explainer, modelHash: nil, cacheFolder: scratch.path + "/cache")
    _ = try ImageClassifier.encode(
      names, templates: .standard, explainer: explainer, modelHash: hash, cacheFolder: nil)
    #expect(kept.isEmpty)
    #expect(throws: LeGradError.self) {
      try ImageClassifier.encode([], templates: .standard, explainer: explainer, modelHash: nil, cacheFolder: nil)
    }
  }

  @Test("templates need one place for the name")
  func templates() throws {
    #expect(try PromptTemplates(["a {} b"]).prompts("x y") == ["a x y b"])
    // Marks behind the braces do not hide them.
    #expect(try PromptTemplates(["a {}\u{301}"]).prompts("x").map { Array($0.utf8) } == [Array("a x\u{301}".utf8)])
    #expect(PromptTemplates.standard.prompts("cat") == ["a photo of a cat"])
    for bad in [[], ["a"], ["{} {}"], ["a {}", ""]] as [[String]] {
      #expect(throws: LeGradError.self) { try PromptTemplates(bad) }
    }
  }

  @Test("a file has a template a line")
  func templateFile() throws {
    let file = try scratch.write(Array("a {}\r\n\n  the {}\n".utf8), "templates.txt")
    #expect(try PromptTemplates(file: file).texts == ["a {}", "  the {}"])
    for (text, word) in [("", "empty"), ("a {}\nb\n", "line 2"), ("\u{FFFF}", "one {}")] {
      let bad = try scratch.write(Array(text.utf8), "bad.txt")
      let error = #expect(throws: LeGradError.self) { try PromptTemplates(file: bad) }
      #expect(error?.kind == .input && error?.description.contains(word) == true)
    }
    let bytes = try scratch.write([0x61, 0xFF, 0x7B, 0x7D], "bytes.txt")
    #expect(throws: LeGradError.self) { try PromptTemplates(file: bytes) }
    #expect(throws: LeGradError.self) { try PromptTemplates(file: scratch.path + "/absent") }
  }
}

extension Explainer {
  /// The bundled model on the CPU.
  static func demo(threads: Int = 2, change: (inout Options) -> Void = { _ in }) throws -> Explainer {
    var options = Options()
    options.device = .cpu
    options.threads = threads
    change(&options)
    return try Explainer(Model.demo(), options: options)
  }
}
