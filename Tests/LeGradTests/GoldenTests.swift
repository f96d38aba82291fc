import Compute
import ImageFiles
import LeGrad
import TestSupport
import Testing
import Tokenizers
import VisionTransformer

/// Every answer of the float64 reference for LeGrad on CLIP towers, on every backend of this machine.
@Suite struct GoldenTests {
  struct Case: Sendable, CustomTestStringConvertible {
    let golden: GoldenModel
    let backend: GoldenBackend

    var precision: Precision { backend.precision }
    var testDescription: String { "\(golden.layout) \(backend.testDescription)" }

    func explainer() throws -> Explainer { try backend.explainer(golden.open()) }
  }

  static let cases = GoldenModel.all.flatMap { golden in
    GoldenBackend.all.map { Case(golden: golden, backend: $0) }
  }
  static let float32Cases = cases.filter { $0.precision.isNearFloat32 }

  @Test(arguments: float32Cases)
  func tokenIdsAndTextEmbeddings(_ test: Case) throws {
    let prompts = try test.golden.prompts()
    let model = try test.golden.open()
    let length = try #require(model.configuration.text?.contextLength)
    let ids = try prompts.map { try model.tokenizer().encode($0, contextLength: length) }
    #expect(try ids.joined().map { Int($0) } == test.golden.ints("inputs/token_ids.npy"))

    let text = try test.explainer().encode(prompts)
    expectClose(text.values, try test.golden.floats("inputs/text_embeddings.npy"), absolute: 1e-5)
  }

  @Test(arguments: float32Cases)
  func preparedPixels(_ test: Case) throws {
    let size = test.golden.sizes[0]
    let image = try RGBImage.decode(path: test.golden.path("inputs/image_\(size.height)x\(size.width).png")).image
    let prepared = try test.explainer().prepare(image)
    expectClose(prepared.pixels, try test.golden.floats("inputs/pixels.npy"), absolute: 1e-6)
  }

  @Test(arguments: float32Cases)
  func relevanceAndHeatmaps(_ test: Case) throws {
    let explainer = try test.explainer()
    let embeddings = try TextEmbeddings(
      rows: test.golden.floats("inputs/text_embeddings.npy"), width: explainer.model.configuration.embeddingWidth)
    for (index, size) in test.golden.sizes.enumerated() {
      let explanation = try explain(test, explainer, size: size, text: embeddings)
      expectClose(
        explanation.relevance, try test.golden.expected(size, "legrad"), relativeToMaximum: test.backend.bound(1e-5))
      if index == 0 {
        expectClose(
          explanation.layerRelevance, try test.golden.expected(size, "legrad_layers"),
          relativeToMaximum: test.backend.bound(1e-5))
        expectClose(
          explanation.imageEmbedding, try test.golden.floats("expected/image_embedding.npy"),
          absolute: test.backend.bound(1e-5))
      }
      if let heatmaps = try? test.golden.expected(size, "legrad_heatmap") {
        expectClose(self.heatmaps(explanation), heatmaps, absolute: 1e-4)
      } else {
        #expect(size != test.golden.sizes[0], "the native size has a heatmap")
      }
    }
  }

  @Test(arguments: cases.filter { !$0.precision.isNearFloat32 })
  func sixteenBitHeatmaps(_ test: Case) throws {
    let explainer = try test.explainer()
    let embeddings = try TextEmbeddings(
      rows: test.golden.floats("inputs/text_embeddings.npy"), width: explainer.model.configuration.embeddingWidth)
    let explanation = try explain(test, explainer, size: test.golden.sizes[0], text: embeddings)
    expectClose(
      heatmaps(explanation), try test.golden.expected(test.golden.sizes[0], "legrad_heatmap"),
      absolute: test.precision == .f16 ? 3e-3 : 2e-2)
  }

  @Test(arguments: float32Cases)
  func promptsAndTheirEmbeddingsGiveTheSameMap(_ test: Case) throws {
    let explainer = try test.explainer()
    let prompts = try test.golden.prompts()
    let given = try TextEmbeddings(
      rows: test.golden.floats("inputs/text_embeddings.npy"), width: explainer.model.configuration.embeddingWidth)
    let size = test.golden.sizes[0]
    let fromText = try explain(test, explainer, size: size, text: explainer.encode(prompts))
    let fromRows = try explain(test, explainer, size: size, text: given)
    expectClose(heatmaps(fromText), heatmaps(fromRows), absolute: 1e-4)
  }

  private func explain(
    _ test: Case, _ explainer: Explainer, size: (height: Int, width: Int), text: TextEmbeddings
  ) throws -> Explanation {
    let image = try RGBImage.decode(path: test.golden.path("inputs/image_\(size.height)x\(size.width).png")).image
    let prepared = try explainer.prepare(image, size: .pixels(width: size.width, height: size.height))
    return try #require(explainer.explain([prepared], text: text, layers: .all).first)
  }

  private func heatmaps(_ explanation: Explanation) -> [Float] {
    (0..<explanation.prompts).flatMap { explanation.heatmap(prompt: $0).values }
  }
}
