public import Failures
import Files
public import SafeTensors
import Texts

/// Finds the weights of a model folder among PyTorch's files.
public enum TorchFolder {
  /// Names that say that a file is the model, in the order in which they are looked for.
  public static let candidates = [
    "open_clip_pytorch_model.bin", "pytorch_model.bin", "pytorch_model.bin.index.json",
  ]

  /// Ends of the names of weight files.
  public static let suffixes = [".bin", ".pt", ".pth"]

  /// Opens the weights at `path`: a file, or an index of several where the name ends in `.json`.
  public static func open(file path: String, mapped: Bool = true) throws(TorchFileError) -> any TensorStore {
    path.ends(with: ".json") ? try sharded(path, mapped: mapped) : try TorchFile(path: path, mapped: mapped)
  }

  /// Opens the first of `candidates` that exists in `folder`, or the one file there that ends in `.bin`, `.pt` or
  /// `.pth`.
  /// - Returns: nil for a folder without such a file.
  /// - Throws: `severalFiles`, or what opening the file throws.
  public static func open(_ folder: String, mapped: Bool = true) throws(TorchFileError) -> (any TensorStore)? {
    let names: Set<FilePath>
    do throws(FileError) { names = try FileTree.names(in: folder) } catch { throw TorchFileError(error) }
    let candidate = candidates.first { names.contains(FilePath($0)) }
    guard let name = candidate == nil ? try onlyFile(of: names, folder) : candidate else { return nil }
    return try open(file: folder + "/" + name, mapped: mapped)
  }

  private static func onlyFile(of names: Set<FilePath>, _ folder: String) throws(TorchFileError) -> String? {
    let files = names.sorted().map(\.text).filter { name in suffixes.contains { name.ends(with: $0) } }
    guard files.count > 1 else { return files.first }
    throw TorchFileError(
      .severalFiles, file: folder, place: "folder",
      expected: "one file of weights, or one of "
        + candidates.joined(separator: ", "),
      found: "\(files.count): " + files.prefix(8).map { "\"\($0)\"" }.joined(separator: ", "),
      remedy: "name the model's file itself in place of the folder")
  }

  private static func sharded(_ path: String, mapped: Bool) throws(TorchFileError) -> any TensorStore {
    let index: ShardIndex
    do throws(SafeTensorsError) {
      index = try ShardIndex(path: path, fileSuffix: ".bin")
    } catch {
      throw TorchFileError(error)
    }
    var shards: TextTable<any TensorStore> = [:]
    for file in index.files { shards[file] = try TorchFile(path: index.path(of: file), mapped: mapped) }
    do throws(SafeTensorsError) {
      return try ShardedTensors(index, shards: shards)
    } catch {
      throw TorchFileError(error)
    }
  }
}
