import Compute
import ComputeOpenCL
import FoundationEssentials
import ImageFiles
import LeGrad
import TestSupport
import Testing
import VisionTransformer

/// Whole models with random weights on the CPU and on the OpenCL device: `make test-large`.
@Suite(
  .serialized,
  .enabled(if: ProcessInfo.processInfo.environment["LEGRAD_TEST_LARGE"] == "1", "run by make test-large"))
struct LargeModelTests {
  struct Input: Sendable, CustomTestStringConvertible {
    let architecture: String
    let width: Int
    let height: Int

    var testDescription: String { "\(architecture) \(width)x\(height)" }
  }

  private static let prompts = 2

  private func explain(_ model: Model, _ input: Input, change: (inout Explainer.Options) -> Void) throws -> Explanation
  {
    var options = Explainer.Options()
    change(&options)
    return try explain(Explainer(model, options: options), input)
  }

  private func explain(_ explainer: Explainer, _ input: Input) throws -> Explanation {
    let image = try RGBImage.decode(path: Fixtures.path("preprocess/photo.png")).image
    let prepared = try explainer.prepare(image, size: .pixels(width: input.width, height: input.height))
    let width = explainer.model.configuration.embeddingWidth
    var random = SeededRandom(seed: 5)
    let rows = (0..<Self.prompts * width).map { _ in Float(random.normal()) }
    let start = ContinuousClock.now
    let explanation = try explainer.explain(
      [prepared], text: TextEmbeddings(rows: rows, width: width), layers: .all)[0]
    print(
      "\(input.testDescription) \(explainer.precision) on \(explainer.device.name): \(ContinuousClock.now - start)",
      explainer.device.isStreaming ? "streaming," : "", explainer.peakBytes.map { "\($0) bytes of the device" } ?? "")
    return explanation
  }

  @Test(arguments: [
    Input(architecture: "ViT-B-16", width: 224, height: 224),
    Input(architecture: "ViT-L-14", width: 224, height: 224),
    Input(architecture: "ViT-L-14", width: 448, height: 448),
    Input(architecture: "ViT-L-14", width: 336, height: 224),
    Input(architecture: "ViT-H-14", width: 224, height: 224),
  ])
  func processorAndDeviceAgree(_ input: Input) throws {
    let model = try Model(randomArchitecture: input.architecture)
    let processor = try explain(model, input) { $0.device = .cpu }
    #expect(processor.relevance.contains { $0 > 0 })
    // The shape of kernels for GPUs is slow on a processor: one model is enough.
    let variants: [KernelVariant?] = input.architecture == "ViT-B-16" ? KernelVariant.allCases : [nil]
    for variant in variants {
      let device = try explain(model, input) {
        $0.device = .openCL
        $0.kernelVariant = variant
        $0.precision = variant?.finestPrecision ?? .f32
      }
      print("relevance differs by", difference(device.relevance, processor.relevance), "of its maximum")
      expectClose(
        device.relevance, processor.relevance, relativeToMaximum: variant?.finestPrecision == .bf16Split ? 5e-4 : 1e-4)
      expectClose(device.imageEmbedding, processor.imageEmbedding, absolute: 1e-4)
    }
  }

  /// The largest difference, relative to the largest number.
  private func difference(_ actual: [Float], _ expected: [Float]) -> Float {
    let largest = zip(actual, expected).reduce(0) { max($0, abs($1.0 - $1.1)) }
    return largest / expected.reduce(0) { max($0, abs($1)) }
  }

  /// The largest model: float16 weights fit 4.7 GB, float32 ones go to the device block by block.
  @Test func theLargestModelStaysOrStreams() throws {
    let input = Input(architecture: "ViT-bigG-14", width: 224, height: 224)
    let limit = 4_700_000_000
    let model = try Model(randomArchitecture: input.architecture)

    func heatmaps(_ precision: Precision, streaming: Bool) throws -> [[Float]] {
      var options = Explainer.Options()
      options.device = .openCL
      options.precision = precision
      options.memoryLimit = limit
      let explainer = try Explainer(model, options: options)
      #expect(explainer.device.isStreaming == streaming)
      let explanation = try explain(explainer, input)
      #expect(try #require(explainer.peakBytes) <= limit)
      return (0..<Self.prompts).map { explanation.heatmap(prompt: $0).values }
    }
    let resident = try heatmaps(.f16, streaming: false)
    let streamed = try heatmaps(.f32, streaming: true)
    for (resident, streamed) in zip(resident, streamed) {
      print("heatmaps differ by", difference(resident, streamed))
      expectClose(resident, streamed, absolute: 3e-3)
    }
  }
}
