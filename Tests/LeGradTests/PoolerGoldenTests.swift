import Compute
import ComputeCPU
import Failures
import ImageFiles
import LeGrad
import TestSupport
import Testing
import Tokenizers
import VisionTransformer

/// Every answer of the float64 reference for LeGrad on towers with an attention pooler, on every instruction set and
/// OpenCL variant of this machine.
@Suite struct PoolerGoldenTests {
  struct Case: Sendable, CustomTestStringConvertible {
    let golden: GoldenModel
    var backend = GoldenBackend.cpu(.portable, .f32)

    var testDescription: String { "\(golden.layout) \(backend.testDescription)" }

    /// Unit rows of framed prompts, by the text tower alone.
    func encode(_ ids: [[Int32]]) throws -> [Float] { try encode(ids, on: backend.open()) }

    private func encode<B: Backend>(_ ids: [[Int32]], on backend: B) throws -> [Float] {
      let checkpoint = try Checkpoint(folder: Fixtures.path("\(golden.layout)/model"))
      let text = try #require(checkpoint.configuration.text)
      return try TextTower(checkpoint, configuration: text, on: backend).encode(ids)
    }

    func explainer() throws -> Explainer { try backend.explainer(golden.open()) }

    func text() throws -> TextEmbeddings {
      try TextEmbeddings(
        rows: golden.floats("inputs/text_embeddings.npy"), width: golden.open().configuration.embeddingWidth)
    }

    func correction() throws -> EmptyTextCorrection {
      let rows = try golden.floats("inputs/empty_embedding.npy")
      return try EmptyTextCorrection(embedding: TextEmbeddings(rows: rows, width: rows.count))
    }

    func explain(
      _ size: (height: Int, width: Int), text: TextEmbeddings? = nil, correction: EmptyTextCorrection? = nil
    ) throws -> Explanation {
      let explainer = try explainer()
      let image = try RGBImage.decode(path: golden.path("inputs/image_\(size.height)x\(size.width).png")).image
      let prepared = try explainer.prepare(image, size: .pixels(width: size.width, height: size.height))
      return try #require(
        explainer.explain([prepared], text: text ?? self.text(), layers: .all, correction: correction).first)
    }
  }

  static let siglip = GoldenModel(layout: "siglip", answers: "siglip", sizes: [(40, 40), (56, 40)])
  static let coca = GoldenModel(layout: "coca", answers: "coca", sizes: [(32, 32), (48, 32)])

  static func cases(_ goldens: [GoldenModel], _ backends: [GoldenBackend] = GoldenBackend.float32) -> [Case] {
    goldens.flatMap { golden in backends.map { Case(golden: golden, backend: $0) } }
  }

  @Test(arguments: cases([siglip, coca]))
  func relevanceAndEmbedding(_ test: Case) throws {
    for size in test.golden.sizes {
      let explanation = try test.explain(size)
      expectClose(
        explanation.relevance, try test.golden.expected(size, "legrad"), relativeToMaximum: test.backend.bound(1e-5))
      expectClose(
        explanation.layerRelevance, try test.golden.expected(size, "legrad_layers"),
        relativeToMaximum: test.backend.bound(1e-5))
      guard size == test.golden.sizes[0] else { continue }
      expectClose(
        explanation.imageEmbedding, try test.golden.floats("expected/image_embedding.npy"),
        absolute: test.backend.bound(1e-5))
    }
  }

  @Test(arguments: cases([siglip, coca]))
  func preparedPixels(_ test: Case) throws {
    let size = test.golden.sizes[0]
    let image = try RGBImage.decode(path: test.golden.path("inputs/image_\(size.height)x\(size.width).png")).image
    let prepared = try test.explainer().prepare(image)
    expectClose(prepared.pixels, try test.golden.floats("inputs/pixels.npy"), absolute: 1e-6)
  }

  @Test(arguments: cases([coca]))
  func cocaHeatmaps(_ test: Case) throws {
    for size in test.golden.sizes {
      expectClose(
        heatmaps(try test.explain(size)), try test.golden.expected(size, "legrad_heatmap"), absolute: 1e-4)
    }
  }

  /// SigLIP's order: range on the grid, then enlargement.
  @Test(arguments: cases([siglip]))
  func siglipHeatmaps(_ test: Case) throws {
    for size in test.golden.sizes {
      expectClose(
        heatmaps(try test.explain(size)), try test.golden.expected(size, "legrad_uncorrected_heatmap"), absolute: 1e-4)
    }
  }

  /// What is suppressed is compared by itself, as a cell near the threshold could fall on either side. Here none does.
  @Test(arguments: cases([siglip]))
  func siglipCorrection(_ test: Case) throws {
    for size in test.golden.sizes {
      let explanation = try test.explain(size, correction: test.correction())
      expectClose(
        explanation.relevance, try test.golden.expected(size, "legrad"), relativeToMaximum: test.backend.bound(1e-5))
      #expect(explanation.prompts == 3)
      let expected = try test.golden.expected(size, "legrad_corrected_heatmap")
      #expect(
        try explanation.suppressedCells == Self.cellsAboveThreshold(test, size, test.correction()))
      #expect(!explanation.suppressedCells.isEmpty)
      expectClose(heatmaps(explanation), expected, absolute: 1e-4)
    }
  }

  @Test(arguments: cases([siglip, coca], GoldenBackend.all.filter { !$0.precision.isNearFloat32 }))
  func sixteenBitHeatmaps(_ test: Case) throws {
    let size = test.golden.sizes[0]
    let name = test.golden.layout == "coca" ? "legrad_heatmap" : "legrad_uncorrected_heatmap"
    expectClose(
      heatmaps(try test.explain(size)), try test.golden.expected(size, name),
      absolute: test.backend.precision == .f16 ? 3e-3 : 2e-2)
  }

  @Test(arguments: cases([siglip, coca]))
  func textEmbeddings(_ test: Case) throws {
    let model = try test.golden.open()
    let text = try #require(model.configuration.text)
    let ids = try test.golden.ints("inputs/token_ids.npy").map(Int32.init)
    let rows = stride(from: 0, to: ids.count, by: text.contextLength).map {
      Array(ids[$0..<$0 + text.contextLength])
    }
    var expected = try test.golden.floats("inputs/text_embeddings.npy")
    // SigLIP's ids begin or end with those of the text without content.
    if test.golden.layout == "siglip" {
      let empty = try test.golden.floats("inputs/empty_embedding.npy")
      let actual = try test.encode(rows)
      let width = model.configuration.embeddingWidth
      let isFirst = abs(actual[0] - empty[0]) < 1e-4
      expected = isFirst ? empty + expected : expected + empty
      #expect(actual.count == 4 * width)
      expectClose(actual, expected, absolute: 1e-5)
    } else {
      expectClose(try test.encode(rows), expected, absolute: 1e-5)
    }
    // A prompt gets the bits that it would get alone.
    let together = try test.encode(rows)
    #expect(try rows.flatMap { try test.encode([$0]) }.elementsEqual(together))
  }

  @Test(arguments: cases([coca]))
  func cocaPromptsGiveTheGoldenIds(_ test: Case) throws {
    let prompts = try test.golden.prompts()
    let model = try test.golden.open()
    let length = try #require(model.configuration.text?.contextLength)
    let ids = try prompts.flatMap { try model.tokenizer().encode($0, contextLength: length) }
    #expect(try ids.map { Int($0) } == test.golden.ints("inputs/token_ids.npy"))
    expectClose(
      try test.explainer().encode(prompts).values, try test.golden.floats("inputs/text_embeddings.npy"), absolute: 1e-5)
  }

  /// The same model as timm and OpenCLIP store it.
  @Test func siglipInOpenCLIPLayoutGivesTheSame() throws {
    let scratch = try ScratchFolder()
    let golden = Self.siglip
    try golden.open().write(to: scratch.path, as: .f32)
    let test = Case(golden: golden)
    let explainer = try test.backend.explainer(Model(folder: scratch.path))
    #expect(explainer.model.summary.layout == "openCLIP")
    let image = try RGBImage.decode(path: golden.path("inputs/image_40x40.png")).image
    let explanation = try explainer.explain([explainer.prepare(image)], text: test.text(), layers: .all)[0]
    #expect(try explanation.layerRelevance == test.explain((40, 40)).layerRelevance)
  }

  /// Prompts that do not fit one pass, and images that stand beside others, get the same bits.
  @Test(arguments: [siglip, coca])
  func manyPromptsAndImagesGetTheBitsThatEachGetsAlone(_ golden: GoldenModel) throws {
    let test = Case(golden: golden)
    let explainer = try test.explainer()
    let width = explainer.model.configuration.embeddingWidth
    let rows = HostMatrix.random(1100, width, seed: 8)
    let text = try TextEmbeddings(rows: rows.values, width: width)
    let native = try RGBImage.decode(
      path: golden.path("inputs/image_\(golden.sizes[0].height)x\(golden.sizes[0].width).png")
    ).image
    let inverted = RGBImage(width: native.width, height: native.height, pixels: native.pixels.map { 255 - $0 })
    let images = try [native, inverted].map { try explainer.prepare($0) }
    let together = try explainer.explain(images, text: text, layers: .last(1))
    for prompt in [0, 511, 1023, 1099] {
      let one = try TextEmbeddings(rows: rows.rows(prompt..<prompt + 1).values, width: width)
      for (image, explanation) in zip(images, together) {
        let alone = try explainer.explain([image], text: one, layers: .last(1))[0]
        let cells = explanation.grid.count
        #expect(Array(explanation.relevance[prompt * cells..<(prompt + 1) * cells]) == alone.relevance)
      }
    }
  }

  @Test func correctionsAreForSiglipAlone() throws {
    let test = Case(golden: Self.coca)
    let text = try test.text()
    let one = try TextEmbeddings(rows: Array(text.row(0)), width: text.width)
    let error = try #require(throws: LeGradError.self) {
      try test.explain((32, 32), correction: EmptyTextCorrection(embedding: one))
    }
    #expect(error.kind == .usage)
    #expect(throws: LeGradError.self) { try EmptyTextCorrection(embedding: text) }
    #expect(throws: LeGradError.self) { try EmptyTextCorrection(embedding: one, threshold: 1.5) }
  }

  /// Cells where the empty text's own relevance, scaled to [0, 1], exceeds the threshold; none is so near to it that
  /// rounding could decide.
  private static func cellsAboveThreshold(
    _ test: Case, _ size: (height: Int, width: Int), _ correction: EmptyTextCorrection
  ) throws -> [Int] {
    let map = try test.explain(size, text: correction.embedding).relevance
    let (low, high) = (try #require(map.min()), try #require(map.max()))
    let scaled = map.map { ($0 - low) / (high - low) }
    #expect(scaled.allSatisfy { abs($0 - correction.threshold) > 1e-3 })
    return scaled.indices.filter { scaled[$0] > correction.threshold }
  }

  private func heatmaps(_ explanation: Explanation) -> [Float] {
    (0..<explanation.prompts).flatMap { explanation.heatmap(prompt: $0).values }
  }
}
