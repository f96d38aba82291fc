public import Failures
import Files
import Texts

/// Named tensors in one file or several.
public protocol TensorStore: Sendable {
  /// Paths of the files that hold the tensors, in the order of their names.
  var files: [String] { get }
  /// Every tensor, in the order of the names.
  var tensors: [TensorDescription] { get }
  /// Bytes of all files.
  var totalBytes: Int { get }
  /// What the header says of `name`; nil when there is no such tensor.
  func description(of name: String) -> TensorDescription?

  /// The tensor `name`, which must have `shape`, widened to Float32, row-major.
  ///
  /// Float64 is rounded to the nearest Float32; the other types are exact. Pages of a map are given back on the way, so
  /// that peak memory stays near the one copy that is returned.
  /// - Throws: `missingTensor`, `shape`, `notFloats`, or `nonFinite` naming the first NaN or infinity.
  func floats(_ name: String, shape: [Int]) throws(SafeTensorsError) -> [Float]

  /// The tensor as Float64, exact whatever the file stores.
  func doubles(_ name: String, shape: [Int]) throws(SafeTensorsError) -> [Double]

  /// Rows of the 2-D tensor `name`, `[any, columns]`, widened to Float32: `[indices.count, columns]`. Only those rows
  /// are read.
  /// - Throws: as `floats`, and `rowIndex` for an index outside the tensor.
  func rows(_ name: String, indices: [Int], columns: Int) throws(SafeTensorsError) -> [Float]
}

extension TensorStore {
  /// Names of all tensors, sorted.
  public var names: [String] { tensors.map(\.name) }

  public func contains(_ name: String) -> Bool { description(of: name) != nil }

  public func shape(of name: String) -> [Int]? { description(of: name)?.shape }

  public func elementType(of name: String) -> ElementType? { description(of: name)?.elementType }
}

/// Finds the weights of a model folder.
public enum SafeTensorsFolder {
  /// Opens the weights at `path`: a file, or an index of several where the name ends in `.json`.
  public static func open(file path: String, mapped: Bool = true) throws(SafeTensorsError) -> any TensorStore {
    path.ends(with: ".json")
      ? try ShardedTensors(indexPath: path, mapped: mapped) : try SafeTensorsFile(path: path, mapped: mapped)
  }

  /// Opens the first of `candidates` that exists in `folder`. A candidate is the name of a safetensors file, or of a
  /// sharded index when it ends in `.json`.
  /// - Throws: `noWeights`, or what opening the file throws.
  public static func open(
    _ folder: String, candidates: [String], mapped: Bool = true
  ) throws(SafeTensorsError) -> any TensorStore {
    let names: Set<FilePath>
    do throws(FileError) { names = try FileTree.names(in: folder) } catch { throw SafeTensorsError(error) }
    for candidate in candidates where names.contains(FilePath(candidate)) {
      return try open(file: folder + "/" + candidate, mapped: mapped)
    }
    throw SafeTensorsError(
      .noWeights, file: folder, place: "folder", expected: "one of \(candidates.joined(separator: ", "))",
      found: "none of them",
      remedy: "name a folder that holds a model's weights")
  }
}
