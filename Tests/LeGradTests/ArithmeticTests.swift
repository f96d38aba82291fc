import Compute
import LeGrad
import Testing
import VisionTransformer

@Suite struct ArithmeticTests {
  /// GFLOP of a forward, of one block's forward, and of one block's local backward for one prompt, as a table of the
  /// method's cost has them, to its last digit.
  @Test(arguments: [
    (12, 768, 3072, 16, 512, 197, 35.1, 1.222), (24, 1024, 4096, 14, 768, 257, 162.0, 2.830),
    (32, 1280, 5120, 14, 1024, 257, 334.6, 4.380), (48, 1664, 8192, 14, 1280, 257, 967.5, 8.650),
    (12, 768, 3072, 16, 512, 785, 157.0, 5.577), (48, 1664, 8192, 14, 1280, 1025, 4110, 37.12),
  ])
  func equalsTheMethodsTable(
    layers: Int, width: Int, mlpWidth: Int, patchSize: Int, embeddingWidth: Int, tokens: Int, forward: Double,
    backward: Double
  ) {
    let side = patchSize * Int(Double(tokens).squareRoot())
    let arithmetic = Arithmetic(
      Self.model(
        embeddingWidth,
        VisionConfiguration(
          layers: layers, width: width, heads: 8, mlpWidth: mlpWidth, patchSize: patchSize, imageHeight: side,
          imageWidth: side)), width: side, height: side)
    #expect(arithmetic.tokens == tokens)
    #expect(abs(arithmetic.forward / 1e9 - forward) < forward * 2e-3)
    #expect(abs(arithmetic.localBackward / 1e9 - backward) < backward * 1e-3)
    #expect(
      Method.legrad().arithmetic(arithmetic, prompts: 3, layers: 2)
        == arithmetic.forward + 6 * arithmetic.localBackward)
  }

  private static func model(_ embeddingWidth: Int, _ vision: VisionConfiguration) -> ModelConfiguration {
    ModelConfiguration(embeddingWidth: embeddingWidth, vision: vision, text: nil, preprocessing: .openAI)
  }

  /// A tower small enough for a hand count: 2 blocks of 10 columns, an MLP of 7, 3 by 2 patches of 2 pixels.
  private static func small(_ change: (inout VisionConfiguration) -> Void = { _ in }) -> Arithmetic {
    var vision = VisionConfiguration(
      layers: 2, width: 10, heads: 2, mlpWidth: 7, patchSize: 2, imageHeight: 4, imageWidth: 6)
    change(&vision)
    return Arithmetic(model(5, vision), width: 6, height: 4)
  }

  /// Operations of a product `[rows, inner] · [inner, columns]`.
  private func product(_ rows: Int, _ inner: Int, _ columns: Int) -> Double { Double(2 * rows * inner * columns) }

  /// Patches of 12 numbers; queries, keys and values, scores, sums, output, MLP; a class token's projection.
  @Test func aPlainTowerIsCountedProductByProduct() {
    let block =
      product(7, 10, 30) + 2 * product(7, 10, 7) + product(7, 10, 10) + product(7, 10, 7) + product(7, 7, 10)
    let arithmetic = Self.small()
    #expect(arithmetic.tokens == 7)
    #expect(arithmetic.forward == product(6, 12, 10) + 2 * block + product(1, 10, 5))
    #expect(arithmetic.localBackward == product(7, 7, 10) + product(7, 10, 10) + product(7, 10, 7))
    #expect(arithmetic.rowBackward == product(1, 10, 7) + product(1, 7, 10) + product(1, 10, 10) + product(1, 10, 7))
    // Softmax's two products more than the forward's.
    #expect(arithmetic.fullBackward == block + 2 * product(7, 10, 7))
    #expect(arithmetic.headBackward == 0)
  }

  /// Registers and a class token are tokens, not patches; the first product of a gated MLP has 14 columns, and neither
  /// norms nor turns count. A classifier has no projection.
  @Test func leadingTokensAndGatesAreCounted() {
    let arithmetic = Self.small {
      $0.registers = 4
      $0.mlp = .gated
      $0.hasHiddenNorm = true
      $0.rotary = RotaryPositions(.centres, theta: 100, pairing: .halves)
      $0.hasProjection = false
    }
    let block =
      product(11, 10, 30) + 2 * product(11, 10, 11) + product(11, 10, 10) + product(11, 10, 14) + product(11, 7, 10)
    #expect(arithmetic.tokens == 11)
    #expect(arithmetic.forward == product(6, 12, 10) + 2 * block)
    #expect(arithmetic.localBackward == product(11, 14, 10) + product(11, 10, 10) + product(11, 10, 11))
    #expect(
      arithmetic.rowBackward == product(1, 10, 7) + product(1, 14, 10) + product(1, 10, 10) + product(1, 10, 11))
    #expect(arithmetic.fullBackward == block + 2 * product(11, 10, 11))
  }

  /// A head that normalises tokens before it pools them asks each for its own; one that norms the mean asks all alike.
  @Test func ownPoolingHasASecondProductForEachToken() {
    let plain = product(7, 7, 10) + product(7, 10, 10) + product(7, 10, 7)
    let second = product(7, 10, 7)
    for (pooling, score, normsAfter, expected) in [
      (VisionConfiguration.Pooling.average, VisionConfiguration.BlockScore.ownPooling, false, plain + second),
      (.average, .ownPooling, true, plain), (.average, .token, false, plain),
      (.classAndPatches, .ownPooling, false, plain + second), (.classAndDistillation, .token, false, plain),
    ] {
      let arithmetic = Self.small {
        ($0.pooling, $0.blockScore, $0.normsAfterPooling) = (pooling, score, normsAfter)
      }
      #expect(arithmetic.legrad(prompts: 3, layers: 2) == 6 * expected, "\(pooling)")
    }
    let distilled = Self.small { $0.pooling = .classAndDistillation }
    #expect(distilled.legrad(prompts: 3, layers: 2, readsClassToken: true) == 6 * (plain + second))
    #expect(Self.small().legrad(prompts: 3, layers: 2, readsClassToken: true) == 6 * Self.small().rowBackward)
  }

  /// SigLIP's: one query's scores and sums for two heads, then rows: values, output, an MLP of 9.
  @Test func aPoolerIsCountedForEachBlockAndEachPrompt() {
    let arithmetic = Self.small {
      $0.pooling = .map
      $0.hasClassToken = false
      $0.hasProjection = false
      $0.poolerMLPWidth = 9
    }
    let rows = 2 * product(1, 10, 10) + 2 * product(1, 10, 9)
    let forward = 2 * product(2, 10, 6) + rows
    let backward = rows + product(2, 10, 6)
    let block =
      product(6, 10, 30) + 2 * product(6, 10, 6) + product(6, 10, 10) + product(6, 10, 7) + product(6, 7, 10)
    #expect(arithmetic.forward == product(6, 12, 10) + 2 * block + forward)
    #expect(arithmetic.legrad(prompts: 3, layers: 2) == 2 * forward + 6 * backward)
    #expect(arithmetic.rowBackward == backward)
    #expect(arithmetic.headBackward == backward + 2 * product(2, 10, 6))
  }

  /// CoCa's: rows of 5 with 4 heads over tokens of 10; the gradient at the sums is the same for all blocks.
  @Test func cocasPoolerIsAskedOncePerPrompt() {
    let arithmetic = Self.small { $0.pooling = .queries(count: 3, heads: 4) }
    let rows = product(1, 10, 5) + product(1, 5, 5)
    let projection = product(1, 5, 5)
    let block =
      product(7, 10, 30) + 2 * product(7, 10, 7) + product(7, 10, 10) + product(7, 10, 7) + product(7, 7, 10)
    #expect(
      arithmetic.forward == product(6, 12, 10) + 2 * block + 2 * product(4, 10, 7) + rows + projection)
    #expect(
      arithmetic.legrad(prompts: 3, layers: 2) == 3 * (projection + rows) + 6 * product(4, 10, 7))
  }
}
