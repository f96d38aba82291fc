import Compute
import Failures
import FoundationEssentials
import ImageFiles
import LeGrad
import NpyFiles
import TestSupport
import Testing
import VisionTransformer

/// Every answer of the float64 reference for the families of plain vision transformers, on every backend of this machine.
@Suite struct FamilyGoldenTests {
  /// A folder with a model as its library writes it, and answers.
  struct Family: Sendable, CustomTestStringConvertible {
    let name: String
    /// The folder of inputs and answers, where it is another's.
    var answers: String

    var testDescription: String { name }

    init(_ name: String, answers: String? = nil) {
      self.name = name
      self.answers = answers ?? name
    }

    static let classifiers = [
      Family("vit"), Family("vit-nobias"), Family("vit-newnames", answers: "vit-nobias"), Family("deit"),
      Family("deit-teacher"), Family("timm-vit"), Family("timm-vit-avg"), Family("timm-deit3"), Family("timm-vit-reg4"),
      Family("dinov2"), Family("dinov2-swiglu"), Family("dinov2-newnames", answers: "dinov2-swiglu"),
      Family("dinov2-registers"), Family("timm-eva02"), Family("timm-eva02-small"), Family("timm-map"),
      Family("timm-qknorm"), Family("timm-innernorm"), Family("timm-nonorm-avg"), Family("timm-avg-all"),
    ]
    static let encoders = [
      "dinov2-encoder", "dinov3", "dinov3-gated", "timm-dinov3", "siglip2", "siglip2-so400m", "siglip2-naflex",
      "siglip2-openclip", "siglip2-openclip-so400m16", "pe-core", "pe-core-timm", "eva01-clip", "eva02-clip",
      "metaclip2", "clipa", "mobileclip2-l", "xlm-roberta", "timm-map-class", "timm-nonorm", "timm-avg-all-norm",
    ].map { Family($0) }

    func path(_ name: String) -> String { Fixtures.path("families/\(answers)/\(name)") }
    func floats(_ name: String) throws -> [Float] { try NpyFile.readFloats(path(name)).values }

    /// Height and width of every input size with an answer, and the names of its answers.
    func sizes() throws -> [(height: Int, width: Int, answers: [String])] {
      try FileManager.default.contentsOfDirectory(atPath: path("expected")).sorted().compactMap { folder in
        let sides = folder.split(separator: "x").compactMap { Int($0) }
        guard sides.count == 2 else { return nil }
        let answers = try FileManager.default.contentsOfDirectory(atPath: path("expected/\(folder)")).sorted()
        return (sides[0], sides[1], answers.filter { $0.hasSuffix(".npy") }.map { String($0.dropLast(4)) })
      }
    }
  }

  struct Case: Sendable, CustomTestStringConvertible {
    let family: Family
    let backend: GoldenBackend
    var folds = false

    var testDescription: String { "\(family.name) \(backend.testDescription)" + (folds ? " folded" : "") }
  }

  static let cases =
    (Family.classifiers + Family.encoders).flatMap { family in
      GoldenBackend.float32.map { Case(family: family, backend: $0) }
    } + folding.flatMap { family in GoldenBackend.devices.map { Case(family: family, backend: $0, folds: true) } }

  /// With every read-out and pooling, missing biases and rotary positions that a tower whose products fold may have.
  static let folding = [
    "vit", "vit-nobias", "deit-teacher", "timm-vit-avg", "timm-vit-reg4", "dinov2-registers", "dinov3", "metaclip2",
    "clipa", "eva01-clip", "mobileclip2-l",
  ].map { Family($0) }

  /// On the CPU: a device's backend, which tests share, has counted the weights of others.
  @Test(.enabled(if: !TestDevice.isAlone)) func aTowerIsFolded() throws {
    let model = try Model(folder: Fixtures.path("families/clipa/model"))
    let vision = model.configuration.vision
    func weightBytes(folds: Bool) throws -> Int {
      let explainer = try GoldenBackend.devices[0].explainer(model, folds: folds)
      #expect(explainer.device.isFolded == folds && explainer.device.arithmetic.contains("folded") == folds)
      return explainer.traffic.weightBytes
    }
    let added = vision.layers * vision.width * vision.mlpWidth * MemoryLayout<Float>.size
    #expect(try weightBytes(folds: true) - weightBytes(folds: false) >= added)
  }

  @Test(arguments: ["siglip2", "dinov2-swiglu"])
  func aTowerThatDoesNotFold(_ name: String) throws {
    let model = try Model(folder: Fixtures.path("families/\(name)/model"))
    #expect {
      try GoldenBackend.devices[0].explainer(model, folds: true)
    } throws: {
      ($0 as? LeGradError)?.kind == .usage && "\($0)".contains("do not fold")
    }
  }

  /// Heatmaps of the native size in the precisions that round products.
  @Test(arguments: cases16)
  func sixteenBitHeatmaps(_ test: Case) throws {
    let (explainer, text) = try open(test)
    let size = try #require(test.family.sizes().first { size in size.answers.contains { $0.hasSuffix("heatmap") } })
    let name = size.answers.contains("legrad_heatmap") ? "legrad_heatmap" : "legrad_uncorrected_heatmap"
    let image = try RGBImage.decode(path: test.family.path("inputs/image_\(size.height)x\(size.width).png")).image
    let prepared = try explainer.prepare(image, size: .pixels(width: size.width, height: size.height))
    let explanation = try #require(explainer.explain([prepared], text: text, layers: .all).first)
    expectClose(
      (0..<text.count).flatMap { explanation.heatmap(prompt: $0).values },
      try test.family.floats("expected/\(size.height)x\(size.width)/\(name).npy"),
      absolute: test.backend.precision == .f16 ? 3e-3 : 2e-2)
  }

  static let cases16 = (Family.classifiers + Family.encoders).flatMap { family in
    GoldenBackend.sixteenBitDevices.map { Case(family: family, backend: $0) }
      + (family.name == "clipa"
        ? GoldenBackend.sixteenBitDevices.map { Case(family: family, backend: $0, folds: true) } : [])
  }

  private func open(_ test: Case) throws -> (Explainer, TextEmbeddings) {
    let explainer = try test.backend.explainer(
      Model(folder: Fixtures.path("families/\(test.family.name)/model")), folds: test.folds)
    guard explainer.classes != nil else {
      return (
        explainer,
        try TextEmbeddings(
          rows: test.family.floats("inputs/text_embeddings.npy"), width: explainer.model.configuration.embeddingWidth)
      )
    }
    let path = test.family.path("inputs/class_ids.json")
    let ids = try JSONDecoder().decode([Int].self, from: Data(contentsOf: URL(filePath: path)))
    return (explainer, try explainer.encode(classes: ids))
  }

  @Test(arguments: cases)
  func everyAnswer(_ test: Case) throws {
    let family = test.family
    let (explainer, text) = try open(test)
    let sizes = try family.sizes()
    #expect(sizes.count >= 2)
    for size in sizes {
      let image = try RGBImage.decode(path: family.path("inputs/image_\(size.height)x\(size.width).png")).image
      let prepared = try explainer.prepare(image, size: .pixels(width: size.width, height: size.height))
      // Propagation of relevance computes in float64.
      for name in size.answers where test.backend.hasFloat64 || !["lrp", "partial-lrp"].contains(name) {
        try check(name, "expected/\(size.height)x\(size.width)/\(name).npy", explainer, prepared, text, test)
      }
    }
  }

  private func check(
    _ name: String, _ answer: String, _ explainer: Explainer, _ image: PreparedImage, _ text: TextEmbeddings,
    _ test: Case
  ) throws {
    let family = test.family
    let expected = try family.floats(answer)
    let method: LeGrad.Method? =
      switch name {
      case "legrad", "legrad_layers", "logits", "image_embedding": .legrad(layers: .all)
      case "legrad_heatmap", "legrad_uncorrected_heatmap", "legrad_corrected_heatmap": .legrad(layers: .all)
      case "legrad-cls": .legrad(layers: .all, readout: .cls)
      default: Method(name: name)
      }
    let found = try #require(method, "\(name) is no method")
    let correction =
      name == "legrad_corrected_heatmap"
      ? try EmptyTextCorrection(
        embedding: TextEmbeddings(rows: family.floats("inputs/empty_embedding.npy"), width: text.width)) : nil
    let explanation = try #require(
      explainer.explain([image], text: text, methods: [found], correction: correction).first?.first)
    switch name {
    case "logits":
      expectClose(
        try explainer.logits(of: explanation.imageEmbedding), expected, relativeToMaximum: test.backend.bound(1e-5))
    case "image_embedding": expectClose(explanation.imageEmbedding, expected, absolute: test.backend.bound(1e-5))
    case let heatmap where heatmap.hasSuffix("heatmap"):
      expectClose((0..<text.count).flatMap { explanation.heatmap(prompt: $0).values }, expected, absolute: 1e-4)
    case "lrp", "partial-lrp": expectClose(explanation.relevance, expected, relativeToMaximum: test.backend.bound(1e-5))
    case "legrad_layers": expectClose(explanation.layerRelevance, expected, relativeToMaximum: test.backend.bound(1e-5))
    case "legrad", "legrad-cls":
      expectClose(explanation.relevance, expected, relativeToMaximum: test.backend.bound(1e-5))
    default: expectClose(explanation.relevance, expected, relativeToMaximum: test.backend.bound(1e-4))
    }
  }
}
