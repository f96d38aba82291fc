import FoundationEssentials
import SafeTensors

/// A model folder of its own for one test, removed at the end.
final class CheckpointFolder {
  let path: String

  init() throws {
    path = FileManager.default.temporaryDirectory.path + "/legrad-model-" + UUID().uuidString
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }

  func write(_ text: String, _ name: String) throws {
    try Data(text.utf8).write(to: URL(filePath: path + "/" + name))
  }

  func link(_ fixture: String, as name: String) throws {
    try FileManager.default.createSymbolicLink(
      atPath: path + "/" + name, withDestinationPath: CheckpointFolder.fixture(fixture))
  }

  var listing: [String] { get throws { try FileManager.default.contentsOfDirectory(atPath: path).sorted() } }

  /// Path inside `Tests/Fixtures`.
  static func fixture(_ path: String) -> String {
    URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent().path + "/Fixtures/" + path
  }

  static func fixtureText(_ path: String) throws -> String {
    String(decoding: try Data(contentsOf: URL(filePath: fixture(path))), as: UTF8.self)
  }

  /// Copies a safetensors file tensor by tensor; `change` gives the tensors to store, or nil to drop one.
  func copyWeights(
    from fixture: String, as name: String, adding extra: [TensorDescription] = [],
    change: (TensorDescription) -> TensorDescription? = { $0 }
  ) throws {
    let source = try SafeTensorsFile(path: Self.fixture(fixture))
    let kept = source.tensors.compactMap { tensor in change(tensor).map { (old: tensor, new: $0) } }
    var writer = try SafeTensorsWriter(path: path + "/" + name, tensors: kept.map(\.new) + extra)
    for (old, new) in kept {
      let values = try source.floats(old.name, shape: old.shape)
      let count = new.elementCount ?? 0
      try writer.append((0..<count).map { values[$0 % values.count] })
    }
    for tensor in extra { try writer.append([Float](repeating: 1, count: tensor.elementCount ?? 0)) }
    try writer.finish()
  }
}

/// The weights of a configuration that is read for itself.
struct NoTensors: TensorStore {
  let files: [String] = []
  let tensors: [TensorDescription] = []
  let totalBytes = 0

  func description(of name: String) -> TensorDescription? { nil }
  func floats(_ name: String, shape: [Int]) throws(SafeTensorsError) -> [Float] { [] }
  func doubles(_ name: String, shape: [Int]) throws(SafeTensorsError) -> [Double] { [] }
  func rows(_ name: String, indices: [Int], columns: Int) throws(SafeTensorsError) -> [Float] { [] }
}
