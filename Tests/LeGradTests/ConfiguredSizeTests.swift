import Foundation
import ImageFiles
import LeGrad
import NpyFiles
import TestSupport
import Testing
import VisionTransformer

/// Configurations whose image is not that of the positions in the weights, against the answers of the float64 reference.
@Suite struct ConfiguredSizeTests {
  struct Case: Sendable, CustomTestStringConvertible {
    let model: String
    let answers: String
    var testDescription: String { model }

    init(_ model: String, answers: String? = nil) {
      self.model = model
      self.answers = answers ?? model
    }

    func path(_ name: String) -> String { Fixtures.path("\(answers)/\(name)") }
    func floats(_ name: String) throws -> [Float] { try NpyFile.readFloats(path(name)).values }
  }

  /// Where both grids have as many patches the table fits as it is, as in the libraries: no case here.
  static let cases =
    [Case("clip"), Case("clip-hf", answers: "clip"), Case("clip-odd"), Case("siglip"), Case("coca")]
    + [
      "clipa", "deit", "deit-teacher", "dinov2", "dinov2-encoder", "dinov2-registers", "dinov2-swiglu", "dinov3",
      "eva01-clip", "eva02-clip", "metaclip2", "mobileclip2-l", "pe-core", "pe-core-timm", "siglip2",
      "siglip2-openclip",
      "siglip2-openclip-so400m16", "siglip2-so400m", "timm-deit3", "timm-dinov3", "timm-eva02",
      "timm-vit", "timm-vit-avg", "timm-vit-reg4", "vit", "vit-nobias", "xlm-roberta",
    ].map { Case("families/" + $0) }

  /// The folder, with its image's size replaced where the configuration says one.
  private static func folder(_ test: Case, height: Int, width: Int) throws -> ScratchFolder {
    let scratch = try ScratchFolder()
    for name in try FileManager.default.contentsOfDirectory(atPath: Fixtures.path("\(test.model)/model")) {
      let source = Fixtures.path("\(test.model)/model/\(name)")
      guard name == "config.json" || name == "open_clip_config.json" else {
        try FileManager.default.createSymbolicLink(atPath: scratch.path + "/" + name, withDestinationPath: source)
        continue
      }
      let object = try JSONSerialization.jsonObject(with: Data(contentsOf: URL(filePath: source)))
      let edited = resized(object, height: height, width: width)
      try scratch.write(Array(JSONSerialization.data(withJSONObject: edited)), name)
    }
    return scratch
  }

  private static func resized(_ value: Any, height: Int, width: Int) -> Any {
    guard let object = value as? [String: Any] else { return value }
    var edited = object
    for (key, value) in object {
      switch key {
      case "image_size", "img_size": edited[key] = [height, width]
      case "input_size": edited[key] = [3, height, width]
      default: edited[key] = resized(value, height: height, width: width)
      }
    }
    return edited
  }

  @Test(arguments: cases) func thePositionsAreResampled(_ test: Case) throws {
    let own = try Model(folder: Fixtures.path("\(test.model)/model")).configuration.vision
    let size = try #require(
      try FileManager.default.contentsOfDirectory(atPath: test.path("expected")).sorted().compactMap { name in
        let sides = name.split(separator: "x").compactMap { Int($0) }
        return sides.count == 2 && sides != [own.imageHeight, own.imageWidth]
          ? (height: sides[0], width: sides[1]) : nil
      }.first)
    let scratch = try Self.folder(test, height: size.height, width: size.width)
    let model = try Model(folder: scratch.path)
    let vision = model.configuration.vision
    #expect(vision.imageHeight == size.height && vision.imageWidth == size.width)
    #expect(vision.positions == own.positions)
    let explainer = try GoldenBackend.float32[0].explainer(model)
    let text: TextEmbeddings
    if model.configuration.classes != nil {
      text = try explainer.encode(
        classes: JSONDecoder().decode(
          [Int].self, from: Data(contentsOf: URL(filePath: test.path("inputs/class_ids.json")))))
    } else {
      text = try TextEmbeddings(
        rows: test.floats("inputs/text_embeddings.npy"), width: model.configuration.embeddingWidth)
    }
    let image = try RGBImage.decode(path: test.path("inputs/image_\(size.height)x\(size.width).png")).image
    let prepared = try explainer.prepare(image, size: .pixels(width: size.width, height: size.height))
    let explanation = try explainer.explain([prepared], text: text, layers: .all)[0]
    expectClose(
      explanation.relevance, try test.floats("expected/\(size.height)x\(size.width)/legrad.npy"),
      relativeToMaximum: 1e-5)
  }

  /// As siglip-so400m-patch14-384 has it: 384 pixels in patches of 14 are 27, and 6 pixels that nothing reads.
  @Test(arguments: [Case("clip"), Case("clip-hf", answers: "clip"), Case("siglip")])
  func pixelsBesideWholePatchesAreNotRead(_ test: Case) throws {
    let own = try Model(folder: Fixtures.path("\(test.model)/model")).configuration.vision
    let side = own.imageHeight
    let scratch = try Self.folder(test, height: side + 5, width: side + 7)
    let model = try Model(folder: scratch.path)
    #expect(model.configuration.vision.gridHeight == own.gridHeight)
    #expect(model.configuration.vision.gridWidth == own.gridWidth)
    let explainer = try GoldenBackend.float32[0].explainer(model)
    let text = try TextEmbeddings(
      rows: test.floats("inputs/text_embeddings.npy"), width: model.configuration.embeddingWidth)
    let picture = try RGBImage.decode(path: test.path("inputs/image_\(side)x\(side).png")).image
    let explanations = try [UInt8(0), 255].map { rest in
      var pixels = [UInt8](repeating: rest, count: (side + 5) * (side + 7) * 3)
      for row in 0..<side {
        pixels.replaceSubrange(
          row * (side + 7) * 3..<(row * (side + 7) + side) * 3,
          with: picture.pixels[row * side * 3..<(row + 1) * side * 3])
      }
      let prepared = try explainer.prepare(RGBImage(width: side + 7, height: side + 5, pixels: pixels))
      return try explainer.explain([prepared], text: text, layers: .all)[0]
    }
    #expect(explanations[0].relevance == explanations[1].relevance)
    #expect(explanations[0].similarities == explanations[1].similarities)
    expectClose(explanations[0].imageEmbedding, try test.floats("expected/image_embedding.npy"), absolute: 1e-5)
  }
}
