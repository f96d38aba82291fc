import FoundationEssentials
import ImageFiles
import NpyFiles
import TestSupport
import Testing

@testable import LeGrad
@testable import VisionTransformer

/// What transformers, timm and open_clip make of three pictures, by `--resize processor` on a folder with their own
/// configuration.
@Suite struct ProcessorTests {
  struct Case: Sendable, Decodable, CustomTestStringConvertible {
    let image, name, library, expected: String
    let config: [String: Value]
    let shape: [Int]

    var testDescription: String { "\(name) of \(image)" }
  }

  /// JSON, to be written again.
  enum Value: Sendable, Decodable {
    case text(String)

    init(from decoder: any Decoder) throws {
      let container = try decoder.singleValueContainer()
      if let list = try? container.decode([Double].self) {
        self = .text("[\(list.map { "\($0)" }.joined(separator: ", "))]")
      } else if let members = try? container.decode([String: Int].self) {
        self = .text("{\(members.map { "\"\($0)\": \($1)" }.sorted().joined(separator: ", "))}")
      } else if let flag = try? container.decode(Bool.self) {
        self = .text("\(flag)")
      } else if let integer = try? container.decode(Int.self) {
        self = .text("\(integer)")
      } else if let number = try? container.decode(Double.self) {
        self = .text("\(number)")
      } else {
        self = .text("\"\(try container.decode(String.self))\"")
      }
    }
  }

  private struct Cases: Decodable {
    let cases: [Case]
  }

  static let cases: [Case] = {
    let path = Fixtures.path("processors/cases.json")
    let read = try? JSONDecoder().decode(Cases.self, from: Data(contentsOf: URL(filePath: path)))
    return read?.cases ?? []
  }()

  @Test func everyCaseIsThere() { #expect(Self.cases.count == 39) }

  @Test(arguments: cases)
  func preparesAsTheLibraryDoes(_ test: Case) throws {
    let patch = test.name == "naflex" ? 4 : 8
    let model = try Self.model(test, patch: patch)
    let statistics = try #require(model.pixelStatistics)
    let image = try RGBImage.decode(path: Fixtures.path("processors/\(test.image)")).image
    let prepared = try model.prepare(image, by: statistics, size: .native, resize: .processor)
    let expected = try NpyFile.readFloats(Fixtures.path("processors/\(test.expected)"))
    #expect(prepared.pixels.count <= expected.values.count)
    let values = test.name == "naflex" ? Self.patchRows(prepared, patch: patch) : prepared.pixels
    if test.name == "naflex" {
      // The rest is padding.
      #expect(values.count > expected.values.count / 2)
      expectClose(values, Array(expected.values[..<values.count]), absolute: 1e-6)
    } else {
      // torchvision resizes floats in float32.
      expectClose(values, expected.values, absolute: test.name.hasPrefix("dinov3") ? 1e-5 : 2e-6)
    }
  }

  /// A folder whose processor ends in another size than the model's own: transformers feeds that size.
  @Test func theProcessorsOwnSizeIsFed() throws {
    let folder = try ScratchFolder()
    let fixture = Fixtures.path("families/dinov2-encoder/model")
    for name in ["config.json", "model.safetensors"] {
      try FileManager.default.copyItem(atPath: "\(fixture)/\(name)", toPath: "\(folder.path)/\(name)")
    }
    let steps = """
      {"size": {"shortest_edge": 32}, "crop_size": {"height": 28, "width": 28}, "resample": 3, "do_center_crop": true,
       "image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5]}
      """
    try folder.write(Array(steps.utf8), "preprocessor_config.json")
    let model = try Model(folder: folder.path)
    let statistics = try #require(model.pixelStatistics)
    let image = try RGBImage.decode(path: Fixtures.path("processors/wide.png")).image
    let prepared = try model.prepare(image, by: statistics, size: .native, resize: .processor)
    #expect((prepared.width, prepared.height) == (28, 28))
    let expected = image.fitted(
      .steps(PictureSteps(.cover(width: 32, height: 32), window: (28, 28), offset: .floor)), filter: .bicubic)
    #expect(prepared.pixels == expected.image.normalised(by: statistics) && prepared.region == expected.region)
    #expect(prepared.region.x >= 0 && prepared.region.width <= image.width)
    // What LeGrad's own preparation feeds is the model's size, as ever.
    #expect(try model.prepare(image, by: statistics, size: .native, resize: .squash).width == 42)
  }

  /// Of a tower that takes any grid the folder's processor says how many patches there may be, not the model.
  @Test(arguments: [(nil, 40), ("max_num_patches", 12)] as [(String?, Int)])
  func theProcessorsOwnNumberOfPatchesIsFed(_ key: String?, limit: Int) throws {
    let field = key.map { [$0: Value.text("\(limit)")] } ?? [:]
    let fields = ["image_mean": Value.text("0.5"), "image_std": .text("0.5"), "resample": .text("2")]
    let model = try Self.model(
      Case(
        image: "", name: "naflex", library: "transformers", expected: "",
        config: fields.merging(field) { first, _ in first }, shape: []), patch: 4)
    let image = try RGBImage.decode(path: Fixtures.path("processors/wide.png")).image
    let statistics = try #require(model.pixelStatistics)
    let prepared = try model.prepare(image, by: statistics, size: .native, resize: .processor)
    let expected = PictureSteps(.patches(limit: limit, side: 4)).resized(width: image.width, height: image.height)
    #expect((prepared.width, prepared.height) == expected)
    #expect(prepared.width / 4 * (prepared.height / 4) <= limit)
    // A size that is asked for goes first.
    let asked = try model.prepare(image, by: statistics, size: .pixels(width: 16, height: 16), resize: .processor)
    #expect(asked.width / 4 * (asked.height / 4) <= 16 && asked.width > 12)
  }

  /// `[patches, (y, x, channel)]`.
  private static func patchRows(_ image: PreparedImage, patch: Int) -> [Float] {
    let (rows, columns, plane) = (image.height / patch, image.width / patch, image.height * image.width)
    return (0..<rows * columns).flatMap { cell in
      (0..<patch * patch).flatMap { place in
        let y = cell / columns * patch + place / patch
        let x = cell % columns * patch + place % patch
        return (0..<3).map { image.pixels[$0 * plane + y * image.width + x] }
      }
    }
  }

  /// A model whose folder says how its pictures are prepared.
  private static func model(_ test: Case, patch: Int) throws -> Model {
    let folder = try ScratchFolder()
    let file = folder.path + "/preprocessor.json"
    let fields = test.config.map { key, value in
      switch value {
      case .text(let text): "\"\(key)\": \(text)"
      }
    }
    try Data("{\(fields.sorted().joined(separator: ", "))}".utf8).write(to: URL(filePath: file))
    let object = try ConfigurationObject(file: file)
    var vision = VisionConfiguration(
      layers: 1, width: 8, heads: 1, mlpWidth: 8, patchSize: patch, imageHeight: 24, imageWidth: 24)
    let preprocessing: Preprocessing
    switch test.library {
    case let library where library.hasPrefix("timm"):
      preprocessing = try ModelConfiguration.timmPreprocessing(
        object, #require(TimmTower.named("vit_base_patch16_224")), height: 24, width: 24)
    case let library where library.hasPrefix("open_clip"):
      preprocessing = try ModelConfiguration.openCLIPPreprocessing(object)
    default:
      preprocessing = try ModelConfiguration.huggingFacePreprocessing(object)
    }
    if test.name == "naflex" {
      vision.readsPatchRows = true
      (vision.imageHeight, vision.imageWidth) = (5 * patch, 8 * patch)
    }
    return Model(
      configuration: ModelConfiguration(embeddingWidth: 8, vision: vision, text: nil, preprocessing: preprocessing))
  }
}
