import Compute
import ComputeCPU
import Failures
import ImageFiles
import LeGrad
import TestSupport
import Testing
import VisionTransformer

/// Options of towers that no reference model has, against a forward in Double.
@Suite struct TowerOptionTests {
  struct Case: Sendable, CustomTestStringConvertible {
    let pooling: VisionConfiguration.Pooling
    let normsAfterPooling: Bool
    let hasInputNorm: Bool

    var testDescription: String { "\(pooling), norm after \(normsAfterPooling), norm before \(hasInputNorm)" }

    var configuration: ModelConfiguration {
      ModelConfiguration(
        embeddingWidth: 12,
        vision: VisionConfiguration(
          layers: 2, width: 24, heads: 3, mlpWidth: 50, patchSize: 4, imageHeight: 8, imageWidth: 12,
          pooling: pooling, normsAfterPooling: normsAfterPooling, hasInputNorm: hasInputNorm),
        text: TextConfiguration(
          contextLength: 5, vocabularySize: 30, width: 16, heads: 2, layers: 1, mlpWidth: 64),
        preprocessing: .openAI)
    }
  }

  static let cases = [VisionConfiguration.Pooling.classToken, .average, .unpooled].flatMap { pooling in
    [true, false].flatMap { after in
      [true, false].map { Case(pooling: pooling, normsAfterPooling: after, hasInputNorm: $0) }
    }
  }

  @Test(arguments: cases) func imageEmbeddingsAreThoseOfTheDefinition(_ test: Case) throws {
    let source = RandomCheckpoint(configuration: test.configuration, seed: 11)
    let scratch = try ScratchFolder()
    try ModelWriter.write(source, to: scratch.path)
    let explainer = try Explainer(
      Model(folder: scratch.path), backend: CPUBackend(threads: 2), variant: nil, reason: "test")
    let pictures = [21, 56].map { (step: Int) -> RGBImage in
      RGBImage(width: 12, height: 8, pixels: (0..<288).map { (index: Int) -> UInt8 in UInt8(index * step % 251) })
    }
    let prepared = try pictures.map { try explainer.prepare($0) }
    let text = try TextEmbeddings(rows: HostMatrix.random(2, 12, seed: 4).values, width: 12)
    let explanations = try explainer.explain(prepared, text: text, layers: .all)
    for (image, explanation) in zip(prepared, explanations) {
      let expected = try ReferenceTower(source).embedding(of: image.pixels)
      expectClose(explanation.imageEmbedding, expected.map { Float($0) }, absolute: 1e-5)
      #expect(explanation.relevance.contains { $0 > 0 })
      // LeGrad's own read-out is the mean token's, whatever the tower's.
      let plain = try explainer.explain([image], text: text, layers: .all)[0]
      #expect(plain.relevance == explanation.relevance)
    }
  }
}

/// A vision tower in Double, step by step as methods §0 has it.
private struct ReferenceTower {
  let source: RandomCheckpoint

  init(_ source: RandomCheckpoint) { self.source = source }

  private var vision: VisionConfiguration { source.configuration.vision }

  private func matrix(_ name: String) throws -> DoubleMatrix {
    let values = try source.floats(name).map(Double.init)
    let shape = try #require(source.tensors.first { $0.name == name }).shape
    let columns = shape.count == 1 ? shape[0] : values.count / shape[0]
    return DoubleMatrix(rows: values.count / columns, columns: columns, values: values)
  }

  private func norm(_ x: DoubleMatrix, _ name: String) throws -> DoubleMatrix {
    Oracle.layerNorm(
      x, scale: try matrix(name + ".weight"), shift: try matrix(name + ".bias"), epsilon: Double(vision.epsilon)
    ).output
  }

  private func linear(_ x: DoubleMatrix, _ weight: String, _ bias: String) throws -> DoubleMatrix {
    Oracle.addRows(Oracle.matmul(x, weight: try matrix(weight)), addend: try matrix(bias))
  }

  func embedding(of pixels: [Float]) throws -> [Double] {
    let tokens = try tokens(of: pixels)
    let patches = DoubleMatrix(
      rows: tokens.rows - 1, columns: tokens.columns, values: Array(tokens.values.dropFirst(tokens.columns)))
    func mean(_ x: DoubleMatrix) -> DoubleMatrix { Oracle.meanRows(x, rowsPerGroup: x.rows) }
    let pooled: DoubleMatrix
    switch vision.pooling {
    case .classToken:
      pooled = try norm(Oracle.gatherRows(tokens, rowNumbers: [0]), "visual.ln_post")
    case .average where vision.normsAfterPooling: pooled = try norm(mean(patches), "visual.ln_post")
    case .average: pooled = mean(try norm(patches, "visual.ln_post"))
    default: pooled = try norm(mean(tokens), "visual.ln_post")
    }
    let projected = Oracle.matmul(pooled, weight: try matrix("visual.proj"))
    return Oracle.normalizeRows(projected).output.values
  }

  private func tokens(of pixels: [Float]) throws -> DoubleMatrix {
    let (height, width) = (vision.imageHeight, vision.imageWidth)
    let patches = Oracle.patchify(
      DoubleMatrix(rows: 1, columns: pixels.count, values: pixels.map(Double.init)), height: height, width: width,
      patch: vision.patchSize, leadingRows: 1)
    var x = Oracle.matmul(patches, weight: try matrix("visual.conv1.weight"))
    let first = try matrix("visual.class_embedding")
    for column in 0..<x.columns { x[0, column] = first[0, column] }
    x = Oracle.addRows(x, addend: try matrix("visual.positional_embedding"))
    if vision.hasInputNorm { x = try norm(x, "visual.ln_pre") }
    for layer in 0..<vision.layers {
      let block = "visual.transformer.resblocks.\(layer)."
      let projected = try linear(
        try norm(x, block + "ln_1"), block + "attn.in_proj_weight", block + "attn.in_proj_bias")
      let part = { projected.columns($0 * vision.width..<($0 + 1) * vision.width) }
      let attended = Oracle.attention(
        queries: part(0), keys: part(1), values: part(2), heads: vision.heads, tokens: x.rows)
      x = x + (try linear(attended, block + "attn.out_proj.weight", block + "attn.out_proj.bias"))
      let hidden = try linear(try norm(x, block + "ln_2"), block + "mlp.c_fc.weight", block + "mlp.c_fc.bias")
        .map { Oracle.activation(vision.activation, $0) }
      x = x + (try linear(hidden, block + "mlp.c_proj.weight", block + "mlp.c_proj.bias"))
    }
    return x
  }
}
