import ComputeCPU
import Failures
import Foundation
import LeGrad
import TestSupport
import Testing
import VisionTransformer

/// Words on a SigLIP model: tokenizer, text tower and the correction's text together.
@Suite struct SigLIPTextTests {
  private struct Case: Decodable {
    let text: String
    let ids: [Int32]
  }

  private static let configuration = ModelConfiguration(
    embeddingWidth: 24,
    vision: VisionConfiguration(
      layers: 2, width: 24, heads: 3, mlpWidth: 50, patchSize: 4, imageHeight: 8, imageWidth: 12, epsilon: 1e-6,
      pooling: .map, hasClassToken: false, hasInputNorm: false, hasPatchBias: true),
    text: TextConfiguration(
      contextLength: 64, vocabularySize: 176, width: 36, heads: 2, layers: 1, mlpWidth: 144, epsilon: 1e-6,
      pooling: .last, isCausal: false, hasProjectionBias: true, tokenization: .siglip),
    preprocessing: .siglip, nestsText: true, hasLogitBias: true)

  @Test(arguments: ["spiece.model", "tokenizer.json"])
  func promptsAreEncodedFromTheFolder(_ tokenizer: String) throws {
    let scratch = try ScratchFolder()
    let source = RandomCheckpoint(configuration: Self.configuration, seed: 3)
    try ModelWriter.write(source, to: scratch.path)
    let unigram = URL(filePath: Fixtures.path("tokenizer-unigram"))
    try scratch.write([UInt8](Data(contentsOf: unigram.appending(path: tokenizer))), tokenizer)
    let cases = try JSONDecoder().decode([Case].self, from: Data(contentsOf: unigram.appending(path: "cases.json")))
      .prefix(5)
    let backend = try CPUBackend(threads: 2)
    let explainer = try Explainer(Model(folder: scratch.path), backend: backend, variant: nil, reason: "test")
    let text = try #require(Self.configuration.text)
    let expected = try TextTower(source, configuration: text, on: backend).encode(cases.map(\.ids))
    #expect(try explainer.encode(cases.map(\.text)).values == expected)

    #expect(cases[0].text == EmptyTextCorrection.text)
    let correction = try explainer.correction(threshold: 0.5)
    #expect(correction.embedding.values == Array(expected[..<24]) && correction.threshold == 0.5)
  }
}
