import Failures
import Files
import LeGrad
import Texts

/// Which files a run writes, checked against each other, the inputs and the folder before any work.
struct OutputPlan: Sendable {
  enum Format: String, CaseIterable, Sendable {
    case png, jpg, npy, json
  }

  /// One image and the names of its files for each method, which lie in the plan's folder.
  struct Item: Sendable {
    let image: String
    let files: [Files]

    var names: [String] { files.flatMap(\.all) }
  }

  /// File names without the plan's folder.
  struct Files: Codable, Equatable, Sendable {
    /// One per prompt, as these are.
    var overlays: [String] = []
    var jpegOverlays: [String] = []
    var heatmaps: [String] = []
    var heatmapArray, relevance, layers, report: String?

    /// Whether any of them takes a map at the input's size.
    var needHeatmaps: Bool {
      !overlays.isEmpty || !jpegOverlays.isEmpty || !heatmaps.isEmpty || heatmapArray != nil
    }

    var all: [String] {
      overlays + jpegOverlays + heatmaps + [heatmapArray, relevance, layers, report].compactMap { $0 }
    }
  }

  let folder: String
  let items: [Item]
  /// Folders in it, the outermost first.
  let subfolders: [String]

  /// Bytes that a file system allows in a name, less what a temporary name adds.
  private static let nameLimit = 255 - 20

  /// - Parameters:
  ///   - images: paths of different files.
  ///   - depths: how many of each path's folders its files lie in; fewer than as many as images stand for 0.
  ///   - references: other pictures that are read.
  ///   - methods: their names are part of the files' names where there are several.
  init(
    images: [String], depths: [Int] = [], references: [String] = [], folder: String, formats: Set<Format>,
    perLayer: Bool, prompts: Int,
    overwrite: Bool, methods: [Method] = [.legrad()]
  ) throws(LeGradError) {
    var owners: [FilePath: String] = [:]
    var items: [Item] = []
    let depths = depths + [Int](repeating: 0, count: max(0, images.count - depths.count))
    let stems = OutputNames.names(of: Array(zip(images, depths)))
    for (image, stem) in zip(images, stems) {
      if let other = owners.updateValue(image, forKey: stem) {
        throw .usage("\(other) and \(image) would both write \(stem).…; name each file once")
      }
      let files = methods.map { method in
        Self.files(
          stem: methods.count > 1 ? "\(stem.text).\(method.name)" : stem.text, formats: formats,
          perLayer: perLayer && method.sumsLayers, prompts: prompts)
      }
      if let long = files.flatMap(\.all).first(where: { FilePath($0).name.bytes.count > Self.nameLimit }) {
        throw .usage("\(image): the output name \(long) is too long; rename the image")
      }
      items.append(Item(image: image, files: files))
    }
    self.folder = folder
    self.items = items
    subfolders = Set(stems.map { $0.parts.dropLast() }.filter { !$0.isEmpty }).map { parts in
      FilePath(bytes: parts.map(\.bytes).joined(separator: [UInt8(ascii: "/")]))
    }.sorted().map(\.text)
    try check(overwrite: overwrite, references: references)
  }

  /// Whether a picture is to be kept until it is drawn on.
  var hasOverlays: Bool { items.contains { $0.files.contains { !$0.overlays.isEmpty || !$0.jpegOverlays.isEmpty } } }

  /// Whether anything is written at all.
  var hasFiles: Bool { items.contains { !$0.names.isEmpty } }

  var hasJPEGs: Bool { items.contains { $0.files.contains { !$0.jpegOverlays.isEmpty } } }

  func path(_ name: String) -> String { FileTree.join(folder, name) }

  private static func files(stem: String, formats: Set<Format>, perLayer: Bool, prompts: Int) -> Files {
    var files = Files()
    if formats.contains(.png) {
      files.overlays = (0..<prompts).map { "\(stem).overlay.\($0).png" }
      files.heatmaps = (0..<prompts).map { "\(stem).heatmap.\($0).png" }
    }
    if formats.contains(.jpg) { files.jpegOverlays = (0..<prompts).map { "\(stem).overlay.\($0).jpg" } }
    if formats.contains(.npy) {
      files.heatmapArray = "\(stem).heatmaps.npy"
      files.relevance = "\(stem).relevance.npy"
    }
    if perLayer { files.layers = "\(stem).layers.npy" }
    if formats.contains(.json) { files.report = "\(stem).json" }
    return files
  }

  /// Nothing is replaced unasked, and an input never.
  private func check(overwrite: Bool, references: [String]) throws(LeGradError) {
    guard hasFiles, FileTree.exists(folder) else { return }
    guard FileTree.isFolder(folder) else {
      throw .badFile(
        "\(folder): the output folder cannot be made: a file of that name is in the way; choose another with -o")
    }
    let taken = items.flatMap(\.names).map(path).filter(FileTree.exists)
    try FileSystem.requireAbsent(taken, overwrite: overwrite)
    let inputs = Set(
      taken.isEmpty ? [] : (items.map(\.image) + references).compactMap(FileTree.resolved).map { FilePath($0) })
    for path in taken {
      if let resolved = FileTree.resolved(path), inputs.contains(FilePath(resolved)) {
        throw .usage("\(path) is an input and would be replaced; give another folder with -o")
      }
      if FileTree.isFolder(path) {
        throw .usage("\(path) is a folder, where a file is to be written; remove it, or give another -o")
      }
    }
  }
}
