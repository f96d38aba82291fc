import Compute
public import Failures
import Files
public import SafeTensors

/// Writes a model as a folder of the library that it is of: OpenCLIP's, timm's, or transformers' for its vision
/// transformers without a text tower.
public enum ModelWriter {
  /// Writes `source` into `folder`, which is made if it does not exist. One tensor at a time is in memory. Each file
  /// appears whole or not at all, the configuration last.
  /// - Parameter elementType: F32, F16 or BF16 for every tensor, rounded to nearest even.
  /// - Throws: `exists` when there is a model in the folder and `overwrite` is false, `unsupported` for a configuration
  ///   that the layout cannot say, `cannotWrite`, `weights`, or what reading `source` throws.
  public static func write(
    _ source: some WeightSource, to folder: String, elementType: ElementType = .f32, overwrite: Bool = false
  ) throws(CheckpointError) {
    let draft = try draft(of: source.configuration, folder: folder)
    do throws(FileError) {
      try FileTree.create(folder: folder)
    } catch {
      throw CheckpointError(.cannotWrite, error)
    }
    let others = ["open_clip_config.json", "config.json"].filter { !draft.files.contains($0) }
    for other in others where FileTree.exists(folder + "/" + other) {
      throw CheckpointError(
        .exists, file: folder + "/" + other, place: "writing", expected: "no model in another library's layout",
        found: "one, which would be read in place of the new one", remedy: "remove it, or choose another folder")
    }
    for path in draft.files.map({ folder + "/" + $0 }) where !overwrite && FileTree.exists(path) {
      throw CheckpointError(
        .exists, file: path, place: "writing", expected: "no file of this name", found: "one",
        remedy: "remove it, choose another folder, or ask to overwrite")
    }
    try writeWeights(
      source, as: draft, to: folder + "/" + draft.weightFile, elementType: elementType, overwrite: overwrite)
    for text in draft.texts {
      do throws(FileError) {
        try AtomicFile.write(Array(text.content.utf8), to: folder + "/" + text.name)
      } catch {
        throw CheckpointError(.cannotWrite, error)
      }
    }
  }

  /// Names of the files that a model of this configuration is written as.
  public static func files(of configuration: ModelConfiguration) throws(CheckpointError) -> [String] {
    try draft(of: configuration, folder: "").files
  }

  /// The folder that reads back as `configuration`.
  private static func draft(
    of configuration: ModelConfiguration, folder: String
  ) throws(CheckpointError) -> FolderDraft {
    let drafts: [FolderDraft] =
      switch FolderDraft.library(of: configuration) {
      case .openCLIP: try FolderDraft.openCLIP(configuration, folder: folder)
      case .timm: FolderDraft.timm(configuration)
      case .huggingFace: FolderDraft.huggingFace(configuration)
      }
    var fault: CheckpointError?
    for draft in drafts {
      guard let found = try draft.difference(folder: folder) else { return draft }
      fault = fault ?? found
    }
    throw fault
      ?? CheckpointError(
        .unsupported, file: folder, place: "vision tower",
        expected: "a tower that \(configuration.layout) has by a name", found: "none of its kind",
        remedy: "this layout cannot say it")
  }

  private static func writeWeights(
    _ source: some WeightSource, as draft: FolderDraft, to path: String, elementType: ElementType, overwrite: Bool
  ) throws(CheckpointError) {
    var writer: SafeTensorsWriter
    do throws(SafeTensorsError) {
      writer = try SafeTensorsWriter(
        path: path, tensors: draft.descriptions(elementType), overwrite: overwrite)
    } catch {
      throw CheckpointError(error)
    }
    for (tensor, stored) in draft.tensors {
      var values = try source.floats(tensor.name)
      let shape = stored.parts[0].shape
      if stored.isTransposed { values = transposed(values, rows: shape[1], columns: shape[0]) }
      for (part, values) in zip(stored.parts, stored.split(values)) {
        guard part.name != nil else {
          guard values.allSatisfy({ $0 == 0 }) else {
            throw CheckpointError(
              .unsupported, file: path, place: "tensor \"\(tensor.name)\"", expected: "zeros, as there is no bias",
              found: "other values", remedy: "this layout cannot say it")
          }
          continue
        }
        do throws(SafeTensorsError) { try writer.append(values) } catch { throw CheckpointError(error) }
      }
    }
    do throws(SafeTensorsError) {
      for scale in draft.scales { try writer.append([Float](repeating: 1, count: scale.elementCount)) }
      try writer.finish()
    } catch { throw CheckpointError(error) }
  }
}
