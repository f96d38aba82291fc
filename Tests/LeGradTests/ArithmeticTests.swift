import LeGrad
import Testing

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
    let arithmetic = Arithmetic(
      layers: layers, width: width, mlpWidth: mlpWidth, patchSize: patchSize, embeddingWidth: embeddingWidth,
      tokens: tokens)
    #expect(abs(arithmetic.forward / 1e9 - forward) < forward * 2e-3)
    #expect(abs(arithmetic.localBackward / 1e9 - backward) < backward * 1e-3)
    #expect(
      Method.legrad().arithmetic(arithmetic, prompts: 3, layers: 2)
        == arithmetic.forward + 6 * arithmetic.localBackward)
  }
}
