public import Failures
import Files
import StrictJSON

/// A model over several safetensors files, listed by an index `{"metadata"?, "weight_map": {tensor: file}}`.
///
/// Every tensor is in exactly the file that the map says and in no other, and the files hold nothing else.
public final class ShardedSafeTensors: TensorStore {
  public let indexPath: String
  public let files: [String]
  public let tensors: [TensorDescription]
  public let totalBytes: Int

  private let shards: [String: SafeTensorsFile]
  private let shardOfTensor: [String: String]

  static let maximumIndexBytes = 64 << 20
  static let maximumShards = 4_096

  /// Opens the index at `indexPath` and every file that it names, all in the index's folder.
  public init(indexPath: String, mapped: Bool = true) throws(SafeTensorsError) {
    let check = IndexCheck(path: indexPath)
    let shardOfTensor = try check.weightMap()
    let slash = indexPath.lastIndex(of: "/")
    let folder = slash.map { String(indexPath[..<$0]) } ?? "."
    var shards: [String: SafeTensorsFile] = [:]
    for file in Set(shardOfTensor.values).sorted() {
      try check.contained(file, in: folder)
      let shard = try SafeTensorsFile(path: folder + "/" + file, mapped: mapped)
      for tensor in shard.tensors where shardOfTensor[tensor.name] != file {
        throw check.failure(
          .index, "tensor \"\(tensor.name)\" in \"\(file)\"", expected: "\"\(file)\" in weight_map",
          found: shardOfTensor[tensor.name].map { "\"\($0)\"" } ?? "nothing")
      }
      shards[file] = shard
    }
    for (name, file) in shardOfTensor.sorted(by: { $0.key < $1.key })
    where shards[file]?.contains(name) != true {
      throw check.failure(
        .index, "weight_map \"\(name)\"", expected: "the tensor in \"\(file)\"", found: "no such tensor there")
    }
    self.indexPath = indexPath
    self.shards = shards
    self.shardOfTensor = shardOfTensor
    let ordered = shards.sorted { $0.key < $1.key }.map(\.value)
    files = ordered.map(\.path)
    tensors = ordered.flatMap(\.tensors).sorted { $0.name < $1.name }
    totalBytes = ordered.reduce(0) { $0 + $1.totalBytes }
  }

  public func description(of name: String) -> TensorDescription? {
    shardOfTensor[name].flatMap { shards[$0]?.description(of: name) }
  }

  public func floats(_ name: String, shape: [Int]) throws(SafeTensorsError) -> [Float] {
    try shard(of: name).floats(name, shape: shape)
  }

  public func doubles(_ name: String, shape: [Int]) throws(SafeTensorsError) -> [Double] {
    try shard(of: name).doubles(name, shape: shape)
  }

  public func rows(_ name: String, indices: [Int], columns: Int) throws(SafeTensorsError) -> [Float] {
    try shard(of: name).rows(name, indices: indices, columns: columns)
  }

  private func shard(of name: String) throws(SafeTensorsError) -> SafeTensorsFile {
    guard let file = shardOfTensor[name], let shard = shards[file] else {
      throw SafeTensorsError(
        .missingTensor, file: indexPath, place: "tensor \"\(name)\"", expected: "this tensor in the index",
        found: "none of this name", remedy: "the files do not belong to this model or were converted wrongly")
    }
    return shard
  }
}

/// Reads and checks an index.
private struct IndexCheck {
  let path: String

  func failure(_ kind: SafeTensorsRule, _ place: String, expected: String, found: String) -> SafeTensorsError {
    SafeTensorsError(
      kind, file: path, place: place, expected: expected, found: found,
      remedy: "index and files are not of one model; fetch all of them again")
  }

  func weightMap() throws(SafeTensorsError) -> [String: String] {
    let object = try contents()
    guard case .object(let members) = object, case .object(let map)? = members["weight_map"] else {
      throw failure(.syntax, "index", expected: "an object with an object weight_map", found: object.summary)
    }
    guard !map.isEmpty else {
      throw failure(.index, "weight_map", expected: "at least one tensor", found: "none")
    }
    var shardOfTensor: [String: String] = [:]
    for (name, value) in map {
      guard case .string(let file) = value else {
        throw failure(.syntax, "weight_map \"\(name)\"", expected: "a file name", found: value.summary)
      }
      try checkName(file, place: "weight_map \"\(name)\"")
      shardOfTensor[name] = file
    }
    let count = Set(shardOfTensor.values).count
    guard count <= ShardedSafeTensors.maximumShards else {
      throw failure(
        .limit, "weight_map", expected: "at most \(ShardedSafeTensors.maximumShards) files", found: "\(count)")
    }
    return shardOfTensor
  }

  private func contents() throws(SafeTensorsError) -> JSONValue {
    let bytes: [UInt8]
    do throws(FileError) {
      bytes = try WholeFile.read(path, limit: ShardedSafeTensors.maximumIndexBytes)
    } catch {
      throw SafeTensorsError(error)
    }
    do throws(JSONError) {
      return try JSONParser.parse(bytes)
    } catch {
      throw SafeTensorsError(error, file: path, text: "index")
    }
  }

  /// A name stays inside the folder: relative, and made of plain components.
  private func checkName(_ file: String, place: String) throws(SafeTensorsError) {
    let components = file.split(separator: "/", omittingEmptySubsequences: false)
    let isPlain =
      components.allSatisfy { !$0.isEmpty && $0 != "." && $0 != ".." }
      && !file.unicodeScalars.contains { $0.properties.generalCategory == .control || $0 == "\\" }
    guard isPlain, file.hasSuffix(".safetensors") else {
      throw failure(
        .unsafePath, place, expected: "the name of a .safetensors file inside the folder", found: "\"\(file)\"")
    }
  }

  /// Links may lead only to files of the same folder or, in the Hugging Face cache, to the `blobs` beside `snapshots`.
  func contained(_ file: String, in folder: String) throws(SafeTensorsError) {
    guard let root = FileTree.resolved(folder), let target = FileTree.resolved(folder + "/" + file) else {
      throw failure(.index, "weight_map", expected: "the file \"\(file)\" in the folder", found: "no such file")
    }
    var roots = [root]
    let components = root.split(separator: "/")
    if components.count > 2, components[components.count - 2] == "snapshots" {
      roots.append("/" + components.dropLast(2).joined(separator: "/") + "/blobs")
    }
    guard roots.contains(where: { target.hasPrefix($0 == "/" ? $0 : $0 + "/") }) else {
      throw failure(
        .unsafePath, "weight_map \"\(file)\"", expected: "a file inside the folder", found: "a link out of it")
    }
  }
}
