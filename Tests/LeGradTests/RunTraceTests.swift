import Compute
import LeGrad
import Testing
import VisionTransformer

/// What a run asks of a device, against the arithmetic of the method's formulas.
@Suite struct RunTraceTests {
  /// Odd everywhere: tokens, width, MLP, embedding.
  private static func model(
    embeddingWidth: Int = 13, _ change: (inout VisionConfiguration) -> Void = { _ in }
  ) -> Model {
    var vision = VisionConfiguration(
      layers: 3, width: 30, heads: 5, mlpWidth: 77, patchSize: 7, imageHeight: 21, imageWidth: 35)
    change(&vision)
    return Model(
      configuration: ModelConfiguration(
        embeddingWidth: embeddingWidth, vision: vision, text: nil, preprocessing: .openAI))
  }

  private func product(_ rows: Int, _ inner: Int, _ columns: Int) -> Double { Double(2 * rows * inner * columns) }

  private func trace(
    _ model: Model, _ method: Method, images: Int = 1, prompts: Int = 1, width: Int = 35, height: Int = 21
  ) throws -> RunTrace {
    try RunTrace(
      of: model, methods: [method], images: images, prompts: prompts, width: width, height: height, precision: .f32)
  }

  private func arithmetic(_ trace: RunTrace, _ stages: Stage...) -> Double {
    trace.steps.filter { stages.contains($0.stage) }.reduce(0) { $0 + $1.work.arithmetic }
  }

  /// The formulas count neither products of one row, nor the patch product of the class token's row, and they count the
  /// last block's second product for every token, of which two rows are computed.
  @Test(arguments: [(1, 1, 35, 21), (2, 3, 35, 21), (3, 2, 14, 49), (1, 5, 7, 14)])
  func theSumOfStagesIsTheMethodsArithmetic(images: Int, prompts: Int, width: Int, height: Int) throws {
    let model = Self.model()
    let trace = try trace(
      model, .legrad(layers: .all), images: images, prompts: prompts, width: width, height: height)
    let expected = Arithmetic(model, width: width, height: height)
    let (n, d, mlp, embedding, layers) = (expected.tokens, 30, 77, 13, 3)
    let rowProducts =
      // The last block's class token and mean token.
      2 * product(images, mlp, d)
      // The embedding, and each block's mean token forth and back.
      + product(images, d, embedding) + Double(layers) * product(images, d, embedding)
      + Double(layers) * product(images * prompts, embedding, d) + Double(layers) * product(images * prompts, d, mlp)
    let patches = width / 7 * (height / 7)
    let all = Double(images) * Method.legrad(layers: .all).arithmetic(expected, prompts: prompts, layers: layers)
    let counted =
      all + rowProducts + Double(images) * product(n - patches, 3 * 49, d) - Double(images) * product(n, mlp, d)
      - Double(images) * product(1, d, embedding)
    #expect(trace.arithmetic == counted)
    #expect(arithmetic(trace, .rowProducts) == rowProducts)
    #expect(arithmetic(trace, .patchEmbedding) == Double(images) * product(n, 3 * 49, d))
    #expect(arithmetic(trace, .queriesKeysValues) == Double(images * layers) * product(n, d, 3 * d))
    #expect(arithmetic(trace, .attention) == Double(images * layers) * 2 * product(n, d, n))
    #expect(arithmetic(trace, .attentionOutput) == Double(images * layers) * product(n, d, d))
    #expect(arithmetic(trace, .mlpInput) == Double(images * layers) * product(n, d, mlp))
    #expect(arithmetic(trace, .mlpOutput) == Double(images * (layers - 1)) * product(n, mlp, d))
    #expect(
      arithmetic(trace, .backwardProducts) == Double(images * layers * prompts)
        * (product(n, mlp, d) + product(n, d, d)))
    #expect(arithmetic(trace, .relevance) == Double(images * layers * prompts) * product(n, d, n))
    #expect(arithmetic(trace, .pooler, .propagation, .attentionBackward, .rows, .readOut, .transfers) == 0)
  }

  /// One product for each prompt, and one that prompts share; the prompts' own rows go through the projection.
  @Test func aFoldedTowerIsTraced() throws {
    let (images, prompts, layers, n, d, mlp) = (2, 3, 3, 16, 30, 77)
    let trace = try RunTrace(
      of: Self.model(), methods: [.legrad(layers: .all)], images: images, prompts: prompts, width: 35, height: 21,
      precision: .bf16, folds: true)
    #expect(
      arithmetic(trace, .backwardProducts) == Double(images * layers)
        * (Double(prompts) * product(n, mlp, d) + product(n, d, d)))
    #expect(trace.steps.count { $0.work.operation == .foldedNormBackward } == layers)
    #expect(throws: LeGradError.self) {
      try RunTrace(
        of: Self.model { $0.mlp = .gated }, methods: [.legrad()], images: 1, prompts: 1, width: 35, height: 21,
        precision: .f32, folds: true)
    }
  }

  /// A product's role comes from its weight, not from its shape, which another may have.
  @Test func productsOfOneShapeAreToldApart() throws {
    let trace = try trace(Self.model { ($0.mlpWidth, $0.width) = (90, 30) }, .legrad(layers: .all))
    let tokens = 16
    #expect(arithmetic(trace, .queriesKeysValues) == 3 * product(tokens, 30, 90))
    #expect(arithmetic(trace, .mlpInput) == 3 * product(tokens, 30, 90))
  }

  @Test func aPoolersProductsAreItsOwn() throws {
    let model = Self.model(embeddingWidth: 30) {
      $0.pooling = .map
      $0.hasClassToken = false
      $0.hasProjection = false
      $0.poolerHeads = 5
      $0.poolerMLPWidth = 41
      $0.positions = nil
    }
    let trace = try trace(model, .legrad(layers: .all), prompts: 2)
    #expect(arithmetic(trace, .pooler) > 0)
    #expect(arithmetic(trace, .backwardProducts, .relevance) == 0)
    #expect(trace.steps.contains { $0.work.operation == .keyScores && $0.stage == .pooler })
  }

  /// Every method's operations have a stage, and cost what they are defined to.
  @Test(arguments: Method.all)
  func everyMethodIsTraced(_ method: Method) throws {
    let model = Self.model()
    let trace = try trace(model, method, images: 2, prompts: 3)
    #expect(trace.arithmetic > Arithmetic(model, width: 35, height: 21).forward)
    #expect(trace.steps.allSatisfy { $0.work.bytes > 0 && $0.seconds == 0 })
    #expect(trace.steps.contains { $0.stage == .propagation } == method.isFloat64)
  }
}
