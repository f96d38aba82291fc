import CFaultyOpenCL
import Compute
import Failures
import Files
import ImageFiles
import TestSupport
import Testing

@testable import ComputeOpenCL
@testable import LeGrad

/// The golden CLIP model with pictures and prompts of no meaning: an explanation that takes milliseconds.
struct TinyWork {
  let model: Model
  let text: TextEmbeddings
  let images: [PreparedImage]

  static let imageSize = 32
  static let tokens = 17
  static let width = 64
  static let embedding = 32
  static let layers = 4
  /// Bytes of device memory that two of the four blocks fit in, and all do not.
  static let streamingLimit = 900_000

  init(images count: Int = 2, prompts: Int = 2) throws {
    model = try Model(folder: Fixtures.path("clip/model"))
    var random = SeededRandom(seed: 31)
    text = try TextEmbeddings(
      rows: (0..<prompts * Self.embedding).map { _ in Float(random.normal()) }, width: Self.embedding)
    images = (0..<count).map { _ in
      PreparedImage(
        pixels: (0..<3 * Self.imageSize * Self.imageSize).map { _ in Float(random.normal()) }, height: Self.imageSize,
        width: Self.imageSize, region: PixelRegion(x: 0, y: 0, width: Self.imageSize, height: Self.imageSize))
    }
  }

  func explain(_ explainer: Explainer, layers: LayerSelection = .last(2)) throws -> Result {
    Result(try explainer.explain(images, text: text, layers: layers))
  }

  /// Every number of an explanation, image after image.
  struct Result {
    let relevance: [Float]
    let embeddings: [Float]

    init(_ explanations: [Explanation]) {
      relevance = explanations.flatMap(\.layerRelevance)
      embeddings = explanations.flatMap(\.imageEmbedding)
    }

    func hasBits(of other: Result) -> Bool {
      relevance.map(\.bitPattern) == other.relevance.map(\.bitPattern)
        && embeddings.map(\.bitPattern) == other.embeddings.map(\.bitPattern)
    }

    /// Whether it differs from `other` as another device may: by 1e-4 of the largest number.
    func isClose(to other: Result) -> Bool {
      func areClose(_ left: [Float], _ right: [Float]) -> Bool {
        let scale = right.map(abs).max() ?? 0
        return left.count == right.count && zip(left, right).allSatisfy { abs($0 - $1) <= 1e-4 * scale }
      }
      return areClose(relevance, other.relevance) && areClose(embeddings, other.embeddings)
    }
  }

  /// The tower on a backend of the watched device.
  /// - Parameter precision: the variant's finest where nil.
  func explainer(
    _ variant: KernelVariant, _ precision: Precision? = nil, change: (inout OpenCLBackend.Options) -> Void = { _ in }
  ) throws -> (explainer: Explainer, backend: OpenCLBackend) {
    var options = OpenCLBackend.Options()
    options.variant = variant
    options.cacheFolder = OwnProgramCache.folder
    change(&options)
    let backend = try OpenCLBackend(
      WatchedOpenCL.device(), precision: precision ?? variant.finestPrecision, options: options)
    return (try Explainer(model, backend: backend, variant: .kernels(variant), reason: "test"), backend)
  }
}

/// Gives a suite a program cache of its own, and a driver that builds a program once, whatever context asks for it:
/// what the driver does is not the suite's subject, and of a thousand backends most have the same programs.
struct OwnProgramCache: SuiteTrait, TestScoping {
  @TaskLocal static var folder: String?

  func provideScope(
    for test: Test, testCase: Test.Case?, performing function: @Sendable () async throws -> Void
  ) async throws {
    let folder = try ScratchFolder()
    legrad_faulty_keep_programs(true)
    defer { legrad_faulty_keep_programs(false) }
    try await Self.$folder.withValue(folder.path) { try await function() }
  }
}
