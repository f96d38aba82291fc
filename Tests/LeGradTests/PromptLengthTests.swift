import ComputeCPU
import Failures
import Foundation
import TestSupport
import Testing
import VisionTransformer

@testable import LeGrad

/// Prompts that are longer than the context, and tokenizers of another model.
@Suite struct PromptLengthTests {
  private static func explainer(_ folder: String) throws -> Explainer {
    try Explainer(Model(folder: folder), backend: CPUBackend(threads: 2), variant: nil, reason: "test")
  }

  @Test func whatIsLeftOutIsTold() throws {
    let explainer = try Self.explainer(Fixtures.path("clip/model"))
    let context = try #require(explainer.model.configuration.text?.contextLength)
    let long = String(repeating: "a red circle and ", count: 30)
    let text = try explainer.encode(["a cat", long + "a blue square", long + "a green cross"])
    let lengths = try #require(text.lengths)
    #expect(lengths[0].cut == 0 && lengths[0].tokens > 2 && lengths[0].tokens < context)
    for length in lengths[1...] { #expect(length.tokens == context && length.cut > 0) }
    #expect(Array(text.row(1)) == Array(text.row(2)))
    #expect(text.rows(1..<2).lengths == [lengths[1]])
    #expect(try TextEmbeddings(rows: text.values, width: text.width).lengths == nil)
  }

  @Test func aTokenizerOfAnotherModelIsRefused() throws {
    #expect(Model.unusedRowLimit(32_000) >= 32_000 - 30_522)
    #expect(Model.unusedRowLimit(49_408) < 49_408 - 32_000)
    #expect(Model.unusedRowLimit(256_000) < 256_000 - 49_408)
    let scratch = try ScratchFolder()
    let configuration = ModelConfiguration(
      embeddingWidth: 24,
      vision: VisionConfiguration(
        layers: 1, width: 24, heads: 3, mlpWidth: 50, patchSize: 4, imageHeight: 8, imageWidth: 8, epsilon: 1e-6,
        pooling: .map, hasClassToken: false, hasInputNorm: false, hasPatchBias: true),
      text: TextConfiguration(
        contextLength: 8, vocabularySize: 4_000, width: 36, heads: 2, layers: 1, mlpWidth: 144, epsilon: 1e-6,
        pooling: .last, isCausal: false, hasProjectionBias: true, tokenization: .siglip),
      preprocessing: .siglip, nestsText: true, hasLogitBias: true)
    try ModelWriter.write(RandomCheckpoint(configuration: configuration, seed: 3), to: scratch.path)
    let unigram = URL(filePath: Fixtures.path("tokenizer-unigram/spiece.model"))
    try scratch.write([UInt8](Data(contentsOf: unigram)), "spiece.model")
    let error = #expect(throws: LeGradError.self) { try Model(folder: scratch.path).checkText() }
    #expect(error?.description.contains("has 176 ids, the text tower 4000 rows") == true)
    #expect(error?.message.subjects == [.textEmbeddings])
  }
}
