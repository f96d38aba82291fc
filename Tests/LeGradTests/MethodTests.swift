import Compute
import ImageFiles
import LeGrad
import TestSupport
import Testing
import VisionTransformer

/// Every method against the float64 reference, on every backend of this machine.
@Suite struct MethodTests {
  struct Answer: Sendable, CustomTestStringConvertible {
    let method: Method
    /// Name of the file.
    let file: String
    /// Largest error, as a share of the largest value.
    let bound: Float

    init(_ method: Method, file: String? = nil, bound: Float = 1e-4) {
      self.method = method
      self.file = file ?? method.name
      self.bound = bound
    }

    var testDescription: String { file }
  }

  static let answers = [
    Answer(.legrad(layers: .all), bound: 1e-5),
    Answer(.legrad(layers: .all, readout: .cls), file: "legrad-cls", bound: 1e-5),
    Answer(.rawAttention), Answer(.rollout()), Answer(.gradCAM), Answer(.cheferCAM), Answer(.cheferCAMAll),
    Answer(.textSpan()), Answer(.lrp, bound: 1e-5), Answer(.partialLRP, bound: 1e-5),
  ]

  static let models = GoldenModel.all.filter { $0.layout == "clip" || $0.layout == "clip-odd" }
  static let cases = models.flatMap { golden in
    GoldenBackend.float32.map { Case(golden: golden, backend: $0) }
  }

  struct Case: Sendable, CustomTestStringConvertible {
    let golden: GoldenModel
    let backend: GoldenBackend

    var testDescription: String { "\(golden.layout) \(backend.testDescription)" }

    /// Those that the backend can give: propagation of relevance computes in float64.
    var answers: [Answer] {
      backend.hasFloat64
        ? MethodTests.answers : MethodTests.answers.filter { ![.lrp, .partialLRP].contains($0.method) }
    }

    func explainer() throws -> Explainer { try backend.explainer(golden.open()) }

    func text(_ explainer: Explainer) throws -> TextEmbeddings {
      try TextEmbeddings(
        rows: golden.floats("inputs/text_embeddings.npy"), width: explainer.model.configuration.embeddingWidth)
    }

    func image(_ explainer: Explainer, _ size: (height: Int, width: Int)) throws -> PreparedImage {
      let image = try RGBImage.decode(path: golden.path("inputs/image_\(size.height)x\(size.width).png")).image
      return try explainer.prepare(image, size: .pixels(width: size.width, height: size.height))
    }
  }

  /// All at once: they share a forward, and must not disturb each other.
  @Test(arguments: cases)
  func relevance(_ test: Case) throws {
    let explainer = try test.explainer()
    let text = try test.text(explainer)
    for size in test.golden.sizes {
      let explanations = try explainer.explain(
        [test.image(explainer, size)], text: text, methods: test.answers.map(\.method))[0]
      for (answer, explanation) in zip(test.answers, explanations) { try check(explanation, answer, test, size) }
    }
  }

  /// Of the methods that are for the token or the pooler that reads the embedding, whichever it is.
  static let poolerAnswers = answers.filter {
    [.rawAttention, .rollout(), .gradCAM, .cheferCAM, .cheferCAMAll].contains($0.method)
  }

  /// The same where an attention pooler reads the embedding; LeGrad's answers there have tests of their own.
  @Test(arguments: PoolerGoldenTests.cases([PoolerGoldenTests.siglip, PoolerGoldenTests.coca]))
  func relevanceOnPoolers(_ pooler: PoolerGoldenTests.Case) throws {
    let test = Case(golden: pooler.golden, backend: pooler.backend)
    let explainer = try test.explainer()
    let rows = try test.golden.floats("inputs/text_embeddings.npy")
    let text = try TextEmbeddings(
      rows: rows + rows.map { -$0 }, width: explainer.model.configuration.embeddingWidth)
    let alone = try explainer.model.takesCorrection ? pooler.correction() : nil
    for size in test.golden.sizes {
      let image = try test.image(explainer, size)
      let methods = [Method.legrad(layers: .all)] + Self.poolerAnswers.map(\.method)
      // With a correction, whose text is LeGrad's business alone.
      let explanations = try explainer.explain([image], text: text, methods: methods, correction: alone)[0]
      for (answer, explanation) in zip(Self.poolerAnswers, explanations.dropFirst()) {
        try check(explanation, answer, test, size)
        #expect(explanation.prompts == text.count && explanation.suppressedCells.isEmpty)
      }
      #expect(
        try explanations[0].relevance
          == explainer.explain([image], text: text, layers: .all)[0].relevance)
    }
  }

  private func check(
    _ explanation: Explanation, _ answer: Answer, _ test: Case, _ size: (height: Int, width: Int)
  ) throws {
    let expected = try test.golden.expected(size, answer.file)
    let worst = zip(explanation.relevance, expected).map { abs($0 - $1) }.max() ?? 0
    let largest = expected.map(abs).max() ?? 0
    #expect(
      explanation.relevance.count == expected.count && largest > 0
        && worst <= test.backend.bound(answer.bound) * largest,
      "\(answer.file) \(size): off by \(worst / largest) of the maximum")
  }
}
