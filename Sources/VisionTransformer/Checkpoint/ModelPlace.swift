public import Failures
import Files
import TorchFiles

/// Where the files of a model lie.
public struct ModelPlace: Equatable, Sendable {
  /// The folder of its configuration.
  public let folder: String
  /// The name of the weight file in it; nil for the one that is looked for.
  public let weights: String?
  /// What reports call the model: its name on the hub where it lies in a cache of it, else the folder's.
  public let name: String

  /// Finds what `place` means. Nothing is downloaded.
  /// - Parameters:
  ///   - place: a model's folder, or a weight file in it; of the cache that Hugging Face's hub keeps, the folder of a
  ///     model, that of a snapshot, or the cache itself where it holds one model; else a model's name on the hub, such
  ///     as `openai/clip-vit-base-patch32`, with `@` and a branch, tag or commit where that is not `main`. What exists
  ///     under the name goes before the hub's.
  ///   - hubCache: the cache that has the models with names; nil for none.
  /// - Throws: `missingFile`, `severalModels` or `snapshot`.
  public init(_ place: String, hubCache: String? = nil) throws(CheckpointError) {
    if FileTree.isFolder(place) {
      self = try Self.folder(place)
    } else if FileTree.exists(place) {
      self = try Self.file(place)
    } else {
      self = try Self.named(place, hubCache)
    }
  }

  private init(folder: String, weights: String? = nil, name: String? = nil) {
    self.folder = folder
    self.weights = weights
    self.name = name ?? Self.name(of: folder)
  }

  /// The hub's name of the model whose snapshot `folder` is; nil for another folder.
  static func hubID(ofSnapshot folder: String) -> HubCache.ID? {
    let parts = folder.split(separator: "/").suffix(3)
    guard parts.count == 3, parts[parts.startIndex + 1] == "snapshots" else { return nil }
    return HubCache.ID(folderName: String(parts[parts.startIndex]))
  }

  private static func name(of folder: String) -> String {
    if let id = hubID(ofSnapshot: folder) { return id.repository }
    let last = folder.split(separator: "/").last.map(String.init)
    guard let last, last != ".", last != ".." else {
      return FileTree.resolved(folder)?.split(separator: "/").last.map(String.init) ?? folder
    }
    return last
  }

  private static func folder(_ path: String) throws(CheckpointError) -> ModelPlace {
    func join(_ name: String) -> String { FileTree.join(path, name) }
    guard !Checkpoint.configurationFiles.contains(where: { FileTree.exists(join($0)) }) else {
      return ModelPlace(folder: path)
    }
    if FileTree.isFolder(join("snapshots")) {
      for path in [path, FileTree.resolved(path) ?? path] {
        let parts = path.split(separator: "/")
        guard let id = HubCache.ID(folderName: String(parts.last ?? "")) else { continue }
        let parent = (path.hasPrefix("/") ? "/" : "") + parts.dropLast().joined(separator: "/")
        let cache = HubCache(folder: parent.isEmpty ? "." : parent)
        return ModelPlace(folder: try cache.snapshot(of: id), name: id.name)
      }
    }
    for cache in [HubCache(folder: path), HubCache(folder: join("hub"))] {
      let models = cache.models
      if models.count == 1, let id = HubCache.ID(models[0]) {
        return ModelPlace(folder: try cache.snapshot(of: id), name: id.name)
      }
      guard models.isEmpty else {
        throw CheckpointError(
          .severalModels, file: path, expected: "one model",
          found: "the hub's cache with \(models.count): \(HubCache.list(models))",
          remedy:
            "name the folder of one, such as \(FileTree.join(cache.folder, HubCache.ID(models[0])?.folderName ?? ""))")
      }
    }
    return ModelPlace(folder: path)
  }

  private static func file(_ path: String) throws(CheckpointError) -> ModelPlace {
    let slash = path.lastIndex(of: "/")
    let folder = slash.map { $0 == path.startIndex ? "/" : String(path[..<$0]) } ?? "."
    let name = slash.map { String(path[path.index(after: $0)...]) } ?? path
    if Checkpoint.configurationFiles.contains(name) { return ModelPlace(folder: folder) }
    let isIndex = name.hasSuffix(".json") && name.contains(".index.")
    guard isIndex || ([".safetensors"] + TorchFolder.suffixes).contains(where: name.hasSuffix) else {
      throw CheckpointError(
        .missingFile, file: path, expected: "a model's folder, or a file that ends in .safetensors, .bin, .pt or .pth",
        found: FileTree.deadLink(path).map { "a link to \($0), which is not there" } ?? "another file",
        remedy: "name the folder that holds the model's configuration and weights")
    }
    return ModelPlace(folder: folder, weights: name)
  }

  private static func named(_ name: String, _ hubCache: String?) throws(CheckpointError) -> ModelPlace {
    guard let id = HubCache.ID(name) else {
      throw CheckpointError(
        .missingFile, file: name, expected: "a model's folder or weight file", found: "nothing of this name",
        remedy: "check the path")
    }
    guard let hubCache else {
      throw CheckpointError(
        .missingFile, file: name, expected: "a model's folder or weight file", found: "nothing of this name",
        remedy: "check the path; names of the hub are looked for where \(Subject.hubCache) is given")
    }
    let cache = HubCache(folder: hubCache)
    if cache.contains(id) { return ModelPlace(folder: try cache.snapshot(of: id), name: id.name) }
    let models = cache.models
    let isWithoutOrganisation = !id.repository.contains("/")
    let near =
      isWithoutOrganisation
      ? models.first { $0.hasSuffix("/" + id.repository) } : nearestName(to: id.repository, among: models)
    let hint = near.map { " (there is \($0))" } ?? ""
    throw CheckpointError(
      .missingFile, file: name,
      expected: "a model's folder or weight file, or a model of the hub's cache \(hubCache)",
      found: "none of them\(hint)",
      remedy: isWithoutOrganisation
        ? "check the path; a name of the hub is ORGANISATION/NAME"
        : "nothing is downloaded here: check the name, and fetch it with '\(id.download)', or give \(Subject.hubCache) "
          + "if it lies in another cache")
  }
}
