import Compute
import ComputeCPU
import ComputeOpenCL
import Failures
import ImageFiles
import TestSupport
import Testing
import VisionTransformer

@testable import LeGrad

/// What every method promises beside the numbers of the reference.
@Suite struct MethodPromiseTests {
  private let golden = GoldenModel.all[0]
  private static let methods =
    Method.all + [.legrad(layers: .all, readout: .cls), .textSpan(baseline: .mean), .textSpan(baseline: .prompt(1))]

  private func explainer() throws -> Explainer {
    var options = Explainer.Options()
    options.device = .cpu
    return try Explainer(golden.open(), options: options)
  }

  private func text(_ count: Int) throws -> TextEmbeddings {
    var random = SeededRandom(seed: 11)
    return try TextEmbeddings(rows: (0..<count * 32).map { _ in Float(random.normal()) }, width: 32)
  }

  private func images(_ explainer: Explainer) throws -> [PreparedImage] {
    try ["photo.png", "wide.png", "grey.png"].map { name in
      let image = try RGBImage.decode(path: Fixtures.path("preprocess/\(name)")).image
      return try explainer.prepare(image, size: .pixels(width: 40, height: 24))
    }
  }

  @Test func batchesAndCompanyChangeNoBit() throws {
    let explainer = try explainer()
    let text = try text(2)
    let images = try images(explainer)
    let together = try explainer.explain(images, text: text, methods: Self.methods)
    for (image, all) in zip(images, together) {
      for (method, explanation) in zip(Self.methods, all) {
        let alone = try explainer.explain([image], text: text, methods: [method])[0][0]
        #expect(explanation.method == method && explanation.prompts == 2)
        #expect(
          alone.layerRelevance.map(\.bitPattern) == explanation.layerRelevance.map(\.bitPattern), "\(method)")
        #expect(explanation.relevance.count == 2 * explanation.mapSize.count)
        #expect(explanation.heatmap(prompt: 1).values.count == 40 * 24)
      }
    }
  }

  /// More prompts than go back together; each gets what it gets alone.
  @Test(arguments: Method.all)
  func promptsDoNotKnowOfEachOther(_ method: Method) throws {
    let explainer = try explainer()
    let many = try text(600)
    let count = method.isFloat64 ? 9 : 600
    let text = try TextEmbeddings(rows: Array(many.values[..<(count * 32)]), width: 32)
    let image = try images(explainer)[0]
    let together = try explainer.explain([image], text: text, methods: [method])[0][0]
    for prompt in [0, count / 2, count - 1] {
      let row = try TextEmbeddings(rows: Array(text.row(prompt)), width: 32)
      let alone = try explainer.explain([image], text: row, methods: [method])[0][0]
      expectClose(Array(together.relevance(prompt: prompt)), alone.relevance, relativeToMaximum: 1e-5)
    }
  }

  /// Directions are differences, and the map is linear in them but for a constant.
  @Test func textSpanSubtractsItsBaseline() throws {
    let explainer = try explainer()
    let text = try text(3)
    let image = try images(explainer)[0]
    func relevance(_ baseline: TextBaseline) throws -> Explanation {
      try explainer.explain([image], text: text, methods: [.textSpan(baseline: baseline)])[0][0]
    }
    let plain = try relevance(.none)
    let mean = try relevance(.mean)
    let other = try relevance(.prompt(2))
    for cell in 0..<plain.mapSize.count {
      func value(_ prompt: Int) -> Float { plain.relevance[prompt * plain.mapSize.count + cell] }
      let average = (value(0) + value(1) + value(2)) / 3
      #expect(abs(mean.relevance[cell] - (value(0) - average)) < 1e-5)
      #expect(abs(other.relevance[cell] - (value(0) - value(2))) < 1e-5)
    }
    #expect(other.heatmap(prompt: 2).isFlat)
  }

  /// Weights that come and go with the blocks, forward and back.
  @Test(.enabled(if: TestDevice.first != nil))
  func streamedWeightsGiveTheSameBits() throws {
    let methods = Method.all.filter { !$0.isFloat64 }
    func relevance(streams: Bool) throws -> [[Float]] {
      let backend = try TestDevice.backend(.cpu) { $0.streamsWeights = streams }
      let explainer = try Explainer(golden.open(), backend: backend, variant: nil, reason: "test")
      return try explainer.explain([images(explainer)[0]], text: text(2), methods: methods)[0].map(\.relevance)
    }
    #expect(try relevance(streams: true) == relevance(streams: false))
  }

  @Test func requestsThatMakeNoSenseAreRefused() throws {
    let explainer = try explainer()
    let image = try images(explainer)[0]
    let text = try text(2)
    for method in [Method.rollout(start: 4), .rollout(start: -1), .textSpan(baseline: .prompt(2))] {
      #expect(throws: LeGradError.self) { try explainer.explain([image], text: text, methods: [method]) }
    }
    #expect(
      try explainer.explain([image], text: nil, methods: [.cheferCAMAll, .lrp])[0].allSatisfy { $0.prompts == 0 })
  }

  /// The bytes of a run on towers that differ in depth alone.
  @Test(arguments: Method.all.filter { !$0.isFloat64 })
  func memoryAndDepth(_ method: Method) throws {
    func bytes(layers: Int) throws -> Int {
      var configuration = try golden.open().configuration
      configuration.vision.layers = layers
      let backend = try CPUBackend(threads: 1)
      let source = RandomCheckpoint(configuration: configuration)
      let run = try MethodRun(
        tower: VisionTower(source, on: backend), source: source,
        shape: VisionShape(images: 1, grid: Grid(height: 4, width: 4)), prompts: 2,
        requests: [MethodRequest(method: method, blocks: method.blocks(of: layers), prompts: 2)])
      return run.bytes
    }
    let growth = try (bytes(layers: 7) - bytes(layers: 3)) / 4
    // One checkpoint, tokens × width, per block.
    let keepsInputs = [Method.rollout(), .cheferCAMAll].contains(method)
    #expect(growth == (keepsInputs ? 17 * 64 * 4 : 0))
  }
}
