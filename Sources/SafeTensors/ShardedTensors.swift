public import Failures
import Files
import StrictJSON
package import Texts

/// A model over several files, listed by an index `{"metadata"?, "weight_map": {tensor: file}}`.
///
/// Every tensor is in exactly the file that the map says and in no other, and the files hold nothing else.
public final class ShardedTensors: MappedTensorStore {
  public let indexPath: String
  public let files: [String]
  public let tensors: [TensorDescription]
  public let totalBytes: Int

  private let shards: TextTable<any TensorStore>
  private let shardOfTensor: TextTable<String>

  /// Opens the index at `indexPath` and every safetensors file that it names, all in the index's folder.
  public convenience init(indexPath: String, mapped: Bool = true) throws(SafeTensorsError) {
    let index = try ShardIndex(path: indexPath, fileSuffix: ".safetensors")
    var shards: TextTable<any TensorStore> = [:]
    for file in index.files { shards[file] = try SafeTensorsFile(path: index.path(of: file), mapped: mapped) }
    try self.init(index, shards: shards)
  }

  /// The files of `index`, opened, by the names that it has for them.
  package init(_ index: ShardIndex, shards: TextTable<any TensorStore>) throws(SafeTensorsError) {
    for (file, shard) in shards.sorted(by: { $0.key.precedes($1.key) }) {
      for tensor in shard.tensors where index.shardOfTensor[tensor.name].map({ $0.isSame(as: file) }) != true {
        throw index.failure(
          .index, "tensor \"\(tensor.name)\" in \"\(file)\"", expected: "\"\(file)\" in weight_map",
          found: index.shardOfTensor[tensor.name].map { "\"\($0)\"" } ?? "nothing")
      }
    }
    for (name, file) in index.shardOfTensor.sorted(by: { $0.key.precedes($1.key) })
    where shards[file]?.contains(name) != true {
      throw index.failure(
        .index, "weight_map \"\(name)\"", expected: "the tensor in \"\(file)\"", found: "no such tensor there")
    }
    indexPath = index.path
    self.shards = shards
    shardOfTensor = index.shardOfTensor
    let ordered = shards.sorted { $0.key.precedes($1.key) }.map(\.value)
    files = ordered.flatMap(\.files)
    tensors = ordered.flatMap(\.tensors).sorted { $0.name.precedes($1.name) }
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

  package func mapped(_ name: String) -> MappedTensor? {
    shardOfTensor[name].flatMap { shards[$0]?.mappedTensor(name) }
  }

  private func shard(of name: String) throws(SafeTensorsError) -> any TensorStore {
    guard let file = shardOfTensor[name], let shard = shards[file] else {
      throw SafeTensorsError(
        .missingTensor, file: indexPath, place: "tensor \"\(name)\"", expected: "this tensor in the index",
        found: "none of this name", remedy: "the files do not belong to this model or were converted wrongly")
    }
    return shard
  }
}

/// An index, read and checked: which file holds which tensor.
package struct ShardIndex: Sendable {
  package let path: String
  /// The file of each tensor, relative to the index's folder.
  package private(set) var shardOfTensor: TextTable<String> = [:]
  private let fileSuffix: String

  static let maximumBytes = 64 << 20
  static let maximumShards = 4_096

  /// Reads the index at `path`, which names files that end in `fileSuffix` and lie in its folder.
  package init(path: String, fileSuffix: String) throws(SafeTensorsError) {
    self.path = path
    self.fileSuffix = fileSuffix
    shardOfTensor = try weightMap()
    for file in files { try contained(file) }
  }

  /// The files' names, sorted.
  package var files: [String] { Set(shardOfTensor.values.map { TextKey($0) }).sorted().map(\.text) }

  package func path(of file: String) -> String { folder + "/" + file }

  private var folder: String { path.lastIndex(of: "/").map { String(path[..<$0]) } ?? "." }

  func failure(_ kind: SafeTensorsRule, _ place: String, expected: String, found: String) -> SafeTensorsError {
    SafeTensorsError(
      kind, file: path, place: place, expected: expected, found: found,
      remedy: "index and files are not of one model; fetch all of them again")
  }

  private func weightMap() throws(SafeTensorsError) -> TextTable<String> {
    let object = try contents()
    guard case .object(let members) = object, case .object(let map)? = members["weight_map"] else {
      throw failure(.syntax, "index", expected: "an object with an object weight_map", found: object.summary)
    }
    guard !map.isEmpty else {
      throw failure(.index, "weight_map", expected: "at least one tensor", found: "none")
    }
    var shardOfTensor: TextTable<String> = [:]
    for (name, value) in map {
      guard case .string(let file) = value else {
        throw failure(.syntax, "weight_map \"\(name)\"", expected: "a file name", found: value.summary)
      }
      try checkName(file, place: "weight_map \"\(name)\"")
      shardOfTensor[name] = file
    }
    let count = Set(shardOfTensor.values.map { TextKey($0) }).count
    guard count <= Self.maximumShards else {
      throw failure(
        .limit, "weight_map", expected: "at most \(Self.maximumShards) files", found: "\(count)")
    }
    return shardOfTensor
  }

  private func contents() throws(SafeTensorsError) -> JSONValue {
    let bytes: [UInt8]
    do throws(FileError) {
      bytes = try WholeFile.read(path, limit: Self.maximumBytes)
    } catch {
      throw SafeTensorsError(error)
    }
    do throws(JSONError) {
      return try JSONParser.parse(bytes)
    } catch {
      if let leftover = Leftover(Array(bytes.prefix(Leftover.startSize)), fromText: true, isJSON: true) {
        throw SafeTensorsError(
          .syntax, file: path, place: "start of file", expected: "JSON", found: leftover.found,
          remedy: leftover.remedy)
      }
      throw SafeTensorsError(error, file: path, text: "index")
    }
  }

  /// A name stays inside the folder: relative, and made of plain components. The system goes by bytes: a slash before a
  /// mark is a slash.
  private func checkName(_ file: String, place: String) throws(SafeTensorsError) {
    let components = file.utf8.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false)
    let isPlain =
      components.allSatisfy { part in ["", ".", ".."].allSatisfy { !part.elementsEqual($0.utf8) } }
      && !file.unicodeScalars.contains { $0.properties.generalCategory == .control || $0 == "\\" }
    guard isPlain, file.ends(with: fileSuffix) else {
      throw failure(
        .unsafePath, place, expected: "the name of a \(fileSuffix) file inside the folder", found: "\"\(file)\"")
    }
  }

  /// Links may lead only to files of the same folder or, in the Hugging Face cache, to the `blobs` beside `snapshots`.
  private func contained(_ file: String) throws(SafeTensorsError) {
    guard let root = FileTree.resolved(folder), let target = FileTree.resolved(path(of: file)) else {
      let link = FileTree.deadLink(path(of: file)).map { "a link to \($0), which is not there" }
      throw failure(
        .index, "weight_map", expected: "the file \"\(file)\" in the folder", found: link ?? "no such file")
    }
    var roots = [root]
    let components = root.utf8.split(separator: UInt8(ascii: "/")).map { String(Substring($0)) }
    if components.count > 2, components[components.count - 2].isSame(as: "snapshots") {
      roots.append("/" + components.dropLast(2).joined(separator: "/") + "/blobs")
    }
    guard roots.contains(where: { target.utf8.starts(with: (root == "/" ? $0 : $0 + "/").utf8) }) else {
      throw failure(
        .unsafePath, "weight_map \"\(file)\"", expected: "a file inside the folder", found: "a link out of it")
    }
  }
}
