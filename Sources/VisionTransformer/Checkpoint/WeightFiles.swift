import Failures
import Files
import SafeTensors
import TorchFiles

/// The weight files of a model folder, of whatever format.
struct WeightFiles {
  let folder: String

  /// Opens the file `name`, or without a name the one that is looked for first.
  func open(_ name: String?, mapped: Bool) throws(CheckpointError) -> any TensorStore {
    if let name { return try open(file: name, mapped: mapped) }
    let names: [String]
    do throws(FileError) { names = try FileTree.names(in: folder).sorted().map(\.text) } catch {
      throw CheckpointError(.missingFile, error)
    }
    if let name = Checkpoint.weightFiles.first(where: names.contains) { return try open(file: name, mapped: mapped) }
    if !TorchFolder.candidates.contains(where: names.contains), let name = try variant(among: names) {
      return try open(file: name, mapped: mapped)
    }
    let store: (any TensorStore)?
    do throws(TorchFileError) { store = try TorchFolder.open(folder, mapped: mapped) } catch {
      throw CheckpointError(error)
    }
    guard let store else { throw noWeights(among: names) }
    return store
  }

  private func open(file name: String, mapped: Bool) throws(CheckpointError) -> any TensorStore {
    let path = FileTree.join(folder, name)
    if name.contains(".safetensors") {
      do throws(SafeTensorsError) { return try SafeTensorsFolder.open(file: path, mapped: mapped) } catch {
        throw CheckpointError(error)
      }
    }
    do throws(TorchFileError) { return try TorchFolder.open(file: path, mapped: mapped) } catch {
      throw CheckpointError(error)
    }
  }

  /// The one file whose name says that its weights are the model's in another type (transformers 5.24,
  /// `_add_variant`).
  private func variant(among names: [String]) throws(CheckpointError) -> String? {
    let files = names.compactMap(Variant.init).sorted { ($0.rank, $0.name) < ($1.rank, $1.name) }
    guard Set(files.map(\.label)).count > 1 else { return files.first?.name }
    throw CheckpointError(
      .severalWeights, file: folder, place: "folder", expected: "one file of weights",
      found: files.map { "\"\($0.name)\"" }.joined(separator: ", "),
      remedy: "name the one that is meant in place of the folder")
  }

  /// `model.fp16.safetensors`, `model.safetensors.index.fp16.json`, or `model.fp16.safetensors.index.json` of older
  /// releases, and the same of PyTorch's files.
  private struct Variant {
    let name: String
    let label: Substring
    /// Files that are read first come first.
    let rank: Int

    private static let stems: Set<Substring> = [
      "model", "pytorch_model", "open_clip_model", "open_clip_pytorch_model",
    ]

    init?(_ name: String) {
      let parts = name.split(separator: ".", omittingEmptySubsequences: false)
      guard parts.count >= 3, Self.stems.contains(parts[0]) else { return nil }
      let format: Substring
      switch parts.count {
      case 3: (label, format) = (parts[1], parts[2])
      case 5 where parts[2] == "index" && parts[4] == "json": (label, format) = (parts[3], parts[1])
      case 5 where parts[3] == "index" && parts[4] == "json": (label, format) = (parts[1], parts[2])
      default: return nil
      }
      // A shard has its number there.
      guard !label.isEmpty, label.allSatisfy({ $0.isLetter || $0.isNumber || $0 == "_" }),
        format == "safetensors" || format == "bin"
      else { return nil }
      rank = (format == "bin" ? 2 : 0) + (parts.count == 5 ? 1 : 0)
      self.name = name
    }
  }

  private func noWeights(among names: [String]) -> CheckpointError {
    let others = names.filter { $0.hasSuffix(".safetensors") }.sorted()
    let remedy: Message =
      if !others.isEmpty {
        "name the file that holds the model's weights in place of the folder"
      } else if let id = ModelPlace.hubID(ofSnapshot: folder) {
        "nothing is downloaded here: fetch them with '\(id.download)'"
      } else {
        "name a folder that holds a model's weights"
      }
    let expected = Checkpoint.weightFiles + TorchFolder.candidates
    return CheckpointError(
      .weights(.noWeights), file: folder, place: "folder",
      expected: "one of \(expected.joined(separator: ", ")), or one .pt or .pth",
      found: others.isEmpty ? "none of them" : "none of them, but \(others.prefix(4).joined(separator: ", "))",
      remedy: remedy)
  }
}
