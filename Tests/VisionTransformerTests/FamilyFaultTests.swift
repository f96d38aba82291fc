import Failures
import SafeTensors
import Testing

@testable import VisionTransformer

/// Folders of classifiers and encoders whose files contradict each other.
@Suite struct FamilyFaultTests {
  /// The fault of a fixture's folder whose configuration was changed.
  private func fault(
    _ fixture: String, replacing old: String, with new: String, keeping isKept: (String) -> Bool = { _ in true }
  ) throws -> CheckpointError? {
    let folder = try CheckpointFolder()
    let text = try CheckpointFolder.fixtureText("families/\(fixture)/model/config.json")
    #expect(text.contains(old))
    try folder.write(text.replacing(old, with: new), "config.json")
    try folder.copyWeights(from: "families/\(fixture)/model/model.safetensors", as: "model.safetensors") {
      isKept($0.name) ? $0 : nil
    }
    do {
      _ = try Checkpoint(folder: folder.path)
      return nil
    } catch { return error }
  }

  /// Without them the tower would compute something else.
  @Test(arguments: [
    ("dinov2-registers", "\"num_register_tokens\": 4", "\"num_register_tokens\": 0"),
    ("dinov2-registers", "\"dinov2_with_registers\"", "\"dinov2\""),
    ("dinov3", "\"num_register_tokens\": 4", "\"num_register_tokens\": 0"),
    ("dinov3", "\"num_register_tokens\": 4", "\"num_register_tokens\": null"),
  ]) func registersThatTheConfigurationDoesNotKnowAreRefused(_ fixture: String, old: String, new: String) throws {
    let error = try fault(fixture, replacing: old, with: new)
    #expect(
      error?.rule == .unsupported && error?.place?.contains("register_tokens") == true, "\(String(describing: error))")
  }

  @Test(arguments: [["classifier.weight"], ["classifier.weight", "classifier.bias"]])
  func aClassifierWithoutItsHeadIsRefused(_ missing: [String]) throws {
    let error = try fault("vit", replacing: "\"vit\"", with: "\"vit\"") { !missing.contains($0) }
    #expect(error?.rule == .missingTensor && error?.place?.contains("classifier.weight") == true)
  }

  @Test(arguments: ["[3, 0, 40]", "[3, 40]", "40", "[3, 4000000000, 40]", "[3, 40.5, 40]"])
  func timmsInputSizeIsChecked(_ size: String) throws {
    let error = try fault(
      "timm-vit", replacing: "\"input_size\": [\n      3,\n      40,\n      40\n    ]", with: "\"input_size\": \(size)")
    #expect(
      error?.rule == .configuration && error?.place == "pretrained_cfg.input_size", "\(String(describing: error))")
  }

  /// Of timm's two classes one has it.
  @Test func aMeanOfAllTokensIsForTimmsVisionTransformer() throws {
    let argument = ("\"depth\": 3", "\"depth\": 3, \"pool_include_prefix\": true")
    let error = try fault("timm-eva02", replacing: argument.0, with: argument.1)
    #expect(
      error?.rule == .unsupported && error?.place == "model_args.pool_include_prefix", "\(String(describing: error))")
    #expect(try fault("timm-vit-avg", replacing: argument.0, with: argument.1) == nil)
  }

  /// The classes of a fixture's folder with other names.
  private func classes(_ fixture: String, _ key: String, _ labels: String) throws -> [String]? {
    let folder = try CheckpointFolder()
    let text = try CheckpointFolder.fixtureText("families/\(fixture)/model/config.json")
    try folder.write(text.replacing("\"\(key)\"", with: "\"\(key)\": \(labels), \"unread\""), "config.json")
    try folder.link("families/\(fixture)/model/model.safetensors", as: "model.safetensors")
    return try Checkpoint(folder: folder.path).configuration.classes
  }

  private static let entries =
    [
      ("7", "7"), ("null", nil), ("\"\"", nil), ("\" \\t\"", nil), ("\"red fox\"", "red fox"),
    ] as [(String, String?)]

  /// A number is a name; null and blank ones are no names, and two classes may have one.
  @Test(arguments: entries) func entriesThatAreNoNames(_ entry: String, name: String?) throws {
    let names = (0..<7).map { $0 == 3 ? entry : "\"cat\"" }
    let members = names.enumerated().map { "\"\($0)\": \($1)" }
    let expected = (0..<7).map { $0 == 3 ? name : "cat" }
    for labels in ["[\(names.joined(separator: ", "))]", "{\(members.joined(separator: ", "))}"] {
      let found = try classes("timm-vit", "label_names", labels)
      #expect(found == expected.enumerated().map { $1 ?? "class \($0)" }, "\(labels)")
    }
    let found = try classes("vit", "id2label", "{\(members.joined(separator: ", "))}")
    #expect(found == expected.enumerated().map { $1 ?? "LABEL_\($0)" })
  }

  @Test(arguments: ["[]", "{}", "true", "1.5"]) func entriesThatAreNothingOfAName(_ entry: String) throws {
    for (fixture, key) in [("timm-vit", "label_names"), ("vit", "id2label")] {
      let error = #expect(throws: CheckpointError.self) { try classes(fixture, key, "{\"3\": \(entry)}") }
      #expect(error?.rule == .configuration && error?.place == "\(key).3", "\(String(describing: error))")
    }
  }

  /// The tensor is at fault, and not the names of as many classes.
  @Test(arguments: [("timm-vit", "head.weight"), ("vit", "classifier.weight"), ("dinov2", "classifier.weight")])
  func aHeadThatIsNoMatrixIsRefused(_ fixture: String, tensor: String) throws {
    for shape in [[7], [7, 8, 6], []] {
      let folder = try CheckpointFolder()
      try folder.link("families/\(fixture)/model/config.json", as: "config.json")
      try folder.copyWeights(from: "families/\(fixture)/model/model.safetensors", as: "model.safetensors") { old in
        old.name == tensor ? TensorDescription(name: tensor, shape: shape, elementType: old.elementType) : old
      }
      let error = #expect(throws: CheckpointError.self) { try Checkpoint(folder: folder.path) }
      #expect(error?.rule == .tensorShape && error?.place == "tensor \"\(tensor)\"", "\(String(describing: error))")
    }
  }

  /// Without one the model's arguments say the size.
  @Test func timmsImageSizeStandsInForItsInputSize() throws {
    let folder = try CheckpointFolder()
    let text = try CheckpointFolder.fixtureText("families/timm-vit/model/config.json")
    try folder.write(text.replacing("\"input_size\"", with: "\"unused\""), "config.json")
    try folder.link("families/timm-vit/model/model.safetensors", as: "model.safetensors")
    let vision = try Checkpoint(folder: folder.path).configuration.vision
    #expect(vision.imageHeight == 40 && vision.imageWidth == 40 && vision.positions?.height == 5)
  }
}
