public import Compute
public import Failures
import Files
public import SafeTensors
import Texts
import TorchFiles

/// A model folder in OpenCLIP or Hugging Face layout, wholly checked when it is opened: the configuration's values, the
/// weight files, and that every tensor is there with the right shape. Weights are read when they are asked for.
public struct Checkpoint: WeightSource {
  public let folder: String
  public let configuration: ModelConfiguration
  /// The weight files.
  public let store: any TensorStore
  /// Why the folder's text tower cannot be read; nil where it can or there is none.
  public let textFault: CheckpointError?
  /// Names in the files that no tower uses, sorted.
  public let ignoredTensors: [String]
  /// Numbers in the tensors that the towers use, LayerScale included.
  public let parameterCount: Int
  /// Those numbers by the type that stores them.
  public let storageTypes: [ElementType: Int]

  /// The keys that lead from the object that PyTorch saved to the dictionary of the weights; see
  /// `TorchFile.dictionaryKeys`. None for other files.
  public let weightKeys: [String]

  private let stored: [String: StoredTensor]
  /// Of each tensor that LayerScale multiplies, the name of the factors, one for each row.
  private let scales: [String: String]

  /// Names of configurations, one of which makes a folder a model's.
  static let configurationFiles = ["open_clip_config.json", "config.json"]

  /// Names of weight files, in the order in which they are looked for; those of `TorchFolder` come after them, and after
  /// these, variants such as `model.fp16.safetensors`.
  public static let weightFiles = [
    "open_clip_model.safetensors", "open_clip_pytorch_model.safetensors", "model.safetensors",
    "model.safetensors.index.json",
  ]

  /// Opens the model in `folder`.
  /// - Parameters:
  ///   - weights: the name of the weight file in the folder, or of the index of several; nil for the one that is found.
  ///   - mapped: see `SafeTensorsFile.init(path:mapped:)`.
  /// - Throws: `missingFile`, `configuration`, `unsupported`, `missingTensor`, `tensorShape`, `tensorType`, `weights`,
  ///   `torchWeights`, or `severalWeights`.
  public init(folder: String, weights: String? = nil, mapped: Bool = true) throws(CheckpointError) {
    let files = try ModelFolder(path: folder)
    let stored: any TensorStore
    do { stored = try WeightFiles(folder: folder).open(weights, mapped: mapped) } catch {
      if error.rule == .weights(.noWeights) { try files.check() }
      throw error
    }
    let store = UnwrappedTensors.of(stored)
    try self.init(
      folder: folder, store: store, read: try files.configuration(of: store),
      weightKeys: (stored as? TorchFile)?.dictionaryKeys ?? [])
  }

  /// Opens a model whose files are no files.
  /// - Parameters:
  ///   - name: what errors call it.
  ///   - configuration: the text of its `open_clip_config.json` or `config.json`.
  ///   - preprocessor: the text of transformers' `preprocessor_config.json`.
  ///   - tensors: its weights, under the names that its library gives them.
  package init(
    name: String, configuration: [UInt8], preprocessor: [UInt8]?, tensors: any TensorStore
  ) throws(CheckpointError) {
    let store = UnwrappedTensors.of(tensors)
    let top = try ConfigurationObject(file: name, bytes: configuration)
    let read: ReadConfiguration
    if top.value("model_cfg") != nil {
      read = try .openCLIP(top, store: store)
    } else {
      var processor: ConfigurationObject?
      if let preprocessor { processor = try ConfigurationObject(file: name + ": preprocessor", bytes: preprocessor) }
      read = try .other(top, preprocessor: { () in processor }, store: store)
    }
    try self.init(folder: name, store: store, read: read, weightKeys: [])
  }

  private init(
    folder: String, store: any TensorStore, read: ReadConfiguration, weightKeys: [String]
  ) throws(CheckpointError) {
    var read = read
    read.takeGridOfPositions(in: store)
    let configuration = read.configuration
    var check = CheckpointCheck(store: store, read)
    for tensor in configuration.canonicalTensors { try check.add(tensor) }
    if let names = read.names {
      try check.addLayerScale(names, configuration.vision, isDeclared: read.visionLayerScale)
    } else if configuration.layout == .openCLIP {
      try check.addLayerScale(
        "visual.transformer", layers: configuration.vision.layers, width: configuration.vision.width,
        isDeclared: read.visionLayerScale)
      if let text = configuration.text {
        try check.addLayerScale(
          "transformer", layers: text.layers, width: text.width, isDeclared: read.textLayerScale,
          prefix: configuration.nestsText ? "text." : "")
      }
    }
    try check.refuseUnusedVisionTensors()
    self.folder = folder
    self.configuration = configuration
    self.store = store
    self.weightKeys = weightKeys
    textFault = read.textFault
    self.stored = check.stored
    scales = check.scales
    storageTypes = check.storageTypes
    parameterCount = check.storageTypes.values.reduce(0, +)
    ignoredTensors = store.names.filter { !check.used.contains(TextKey($0)) }
  }

  /// See `WeightSource`. LayerScale is multiplied into the weight and bias that it follows.
  public func floats(_ canonicalName: String) throws(CheckpointError) -> [Float] {
    try scaled(canonicalName) { name, shape throws(SafeTensorsError) in try store.floats(name, shape: shape) }
  }

  public func doubles(_ canonicalName: String) throws(CheckpointError) -> [Double] {
    try scaled(canonicalName) { name, shape throws(SafeTensorsError) in try store.doubles(name, shape: shape) }
  }

  /// See `WeightSource`.
  public func stored(_ canonicalName: String) -> StoredWeight? {
    guard let tensor = stored[canonicalName], tensor.isPlain, scales[canonicalName] == nil else { return nil }
    let mapped = tensor.parts.compactMap { part in part.name.flatMap(store.mappedTensor) }
    guard mapped.count == tensor.parts.count, mapped.count <= StoredWeight.maximumParts,
      let type = mapped[0].elementType.precision,
      mapped.allSatisfy({ $0.elementType == mapped[0].elementType && $0.shape == mapped[0].shape })
    else { return nil }
    return StoredWeight(type: type, parts: mapped.map { FileRegion($0) })
  }

  /// The tensor as `read` gives it, with LayerScale multiplied in.
  private func scaled<Scalar: BinaryFloatingPoint>(
    _ canonicalName: String, _ read: (String, [Int]) throws(SafeTensorsError) -> [Scalar]
  ) throws(CheckpointError) -> [Scalar] {
    guard let tensor = stored[canonicalName] else {
      throw CheckpointError(
        .unknownTensor, file: folder, place: "tensor \"\(canonicalName)\"", expected: "a tensor of this model",
        found: "none of this name", remedy: "ask for one of its canonical tensors")
    }
    do throws(SafeTensorsError) {
      var parts: [[Scalar]] = []
      for part in tensor.parts {
        guard let name = part.name else {
          parts.append([Scalar](repeating: 0, count: part.shape.reduce(1, *)))
          continue
        }
        parts.append(try read(name, store.shape(of: name) ?? part.shape))
      }
      var values = tensor.joined(parts)
      let shape = tensor.parts[0].shape
      if tensor.isTransposed { values = transposed(values, rows: shape[0], columns: shape[1]) }
      guard let scale = scales[canonicalName] else { return values }
      let factors = try read(scale, [shape[0]])
      let columns = values.count / factors.count
      for row in factors.indices {
        for index in row * columns..<(row + 1) * columns { values[index] *= factors[row] }
      }
      return values
    } catch {
      throw CheckpointError(error)
    }
  }

  public func tokenEmbeddingRows(ids: [Int]) throws(CheckpointError) -> [Float] {
    let text = try textConfiguration(for: ids, file: folder)
    guard let name = stored["token_embedding.weight"]?.parts.first?.name else { return [] }
    do throws(SafeTensorsError) {
      return try store.rows(name, indices: ids, columns: text.width)
    } catch {
      throw CheckpointError(error)
    }
  }

  /// SHA-256 of the weight files, one after the other in the order of their names, in hexadecimal: what `sha256sum`
  /// says of a single file.
  /// - Parameter cacheFolder: where the hash is kept, and found again as long as size, times and inode of the files are
  ///   the same; nil reads every byte.
  public func fileHash(cacheFolder: String? = nil) throws(CheckpointError) -> String {
    do throws(FileError) { return try FileHash.of(store.files, cacheFolder: cacheFolder) } catch {
      throw CheckpointError(SafeTensorsError(error))
    }
  }
}

/// The configuration files of a model folder.
private struct ModelFolder {
  let path: String
  let openCLIP: String?
  let other: String?

  init(path: String) throws(CheckpointError) {
    self.path = path
    guard FileTree.isFolder(path) else {
      throw CheckpointError(
        .missingFile, file: path, expected: "a model's folder", found: "none of this name", remedy: "check the path")
    }
    openCLIP = Self.existing("open_clip_config.json", in: path)
    other = Self.existing("config.json", in: path)
    guard openCLIP != nil || other != nil else {
      throw CheckpointError(
        .missingFile, file: path, place: "model folder", expected: "open_clip_config.json or config.json",
        found: "neither", remedy: "name a folder that holds a model in OpenCLIP, Hugging Face or timm layout")
    }
  }

  private static func existing(_ name: String, in path: String) -> String? {
    FileTree.exists(path + "/" + name) ? path + "/" + name : nil
  }

  /// Reads what is there: a folder of which nothing was fetched shows it here first.
  func check() throws(CheckpointError) {
    for file in [openCLIP, other].compactMap(\.self) { _ = try ConfigurationObject(file: file) }
  }

  /// Where a folder holds the configurations of two libraries, the tensors' names decide.
  func configuration(of store: any TensorStore) throws(CheckpointError) -> ReadConfiguration {
    let isOpenCLIP = store.names.contains { $0.begins(with: "visual.") }
    if let openCLIP, isOpenCLIP || other == nil {
      return try .openCLIP(try ConfigurationObject(file: openCLIP), store: store)
    }
    return try .other(
      try ConfigurationObject(file: other ?? ""),
      preprocessor: { () throws(CheckpointError) in try preprocessor() }, store: store)
  }

  /// How transformers prepares pictures. Where both files are there, 5.24 reads `processor_config.json`.
  private func preprocessor() throws(CheckpointError) -> ConfigurationObject? {
    if let processor = Self.existing("processor_config.json", in: path),
      let section = try ConfigurationObject(file: processor).object("image_processor")
    {
      return section
    }
    guard let preprocessor = Self.existing("preprocessor_config.json", in: path) else { return nil }
    return try ConfigurationObject(file: preprocessor)
  }
}

extension ReadConfiguration {
  /// What the object of an `open_clip_config.json` says.
  fileprivate static func openCLIP(
    _ top: ConfigurationObject, store: any TensorStore
  ) throws(CheckpointError) -> ReadConfiguration {
    var read = try ModelConfiguration.readOpenCLIP(top, store: store)
    read.configuration.layout = .openCLIP
    return read
  }

  /// What the object of a `config.json` says, of timm's or of transformers'.
  fileprivate static func other(
    _ top: ConfigurationObject, preprocessor: () throws(CheckpointError) -> ConfigurationObject?,
    store: any TensorStore
  ) throws(CheckpointError) -> ReadConfiguration {
    if top.value("architecture") != nil, top.value("model_type") == nil {
      return try ModelConfiguration.readTimm(top, store: store)
    }
    return try ModelConfiguration.readHuggingFace(top, preprocessor: try preprocessor(), store: store)
  }
}

/// Collects the tensors that a configuration asks for, checking each against the files.
private struct CheckpointCheck {
  let store: any TensorStore
  let read: ReadConfiguration
  var stored: [String: StoredTensor] = [:]
  var scales: [String: String] = [:]
  var used: Set<TextKey> = []
  var storageTypes: [ElementType: Int] = [:]

  init(store: any TensorStore, _ read: ReadConfiguration) {
    self.store = store
    self.read = read
  }

  mutating func add(_ tensor: CanonicalTensor) throws(CheckpointError) {
    var source = StoredTensor(tensor, in: read.configuration, names: read.names)
    if read.dropsVisionPrefix { source.dropPrefix("vision_model.") }
    for part in source.parts {
      if let name = part.name { try use(name, shape: part.shape) }
    }
    stored[tensor.name] = source
  }

  /// See `addLayerScale(_:layers:width:isDeclared:prefix:)`.
  mutating func addLayerScale(
    _ names: TowerNames, _ vision: VisionConfiguration, isDeclared: Bool
  ) throws(CheckpointError) {
    let blocks = (0..<vision.layers).map { names.prefix + names.blocks + "\($0)." }
    guard isDeclared || blocks.contains(where: { block in names.scales.contains { store.contains(block + $0) } })
    else { return }
    for (layer, block) in blocks.enumerated() {
      let tensors = VisionTensors.block(layer)
      for (factors, target) in zip(names.scales, [tensors.attentionOutput, tensors.mlpOutput]) {
        try use(block + factors, shape: [vision.width])
        scales[target.weight] = block + factors
        scales[target.bias] = block + factors
      }
    }
  }

  /// LayerScale multiplies each branch before it is added: its factors belong to the rows of the branch's last matrix.
  /// - Parameter prefix: before the canonical names in the file.
  mutating func addLayerScale(
    _ tower: String, layers: Int, width: Int, isDeclared: Bool, prefix: String = ""
  ) throws(CheckpointError) {
    let blocks = (0..<layers).map { "\(tower).resblocks.\($0)." }
    let isPresent = blocks.contains {
      store.contains(prefix + $0 + "ls_1.gamma") || store.contains(prefix + $0 + "ls_2.gamma")
    }
    guard isDeclared || isPresent else { return }
    for block in blocks {
      for (factors, target) in [("ls_1.gamma", "attn.out_proj"), ("ls_2.gamma", "mlp.c_proj")] {
        try use(prefix + block + factors, shape: [width])
        scales[block + target + ".weight"] = prefix + block + factors
        scales[block + target + ".bias"] = prefix + block + factors
      }
    }
  }

  /// Most options of a tower (norms of queries and keys, relative positions, positions in the pooler) show in its tensors
  /// alone.
  func refuseUnusedVisionTensors() throws(CheckpointError) {
    var prefixes = ["visual.trunk.", "vision_model."]
    if read.configuration.layout == .openCLIP, read.names == nil { prefixes = [] }
    if let names = read.names { prefixes.append(names.prefix) }
    let unused = store.names.filter { name in
      prefixes.contains { name.begins(with: $0) } && !used.contains(TextKey(name))
        && !read.ignored.contains { name.isSame(as: $0) } && !name.ends(with: "position_ids")
    }
    guard let name = unused.min(by: { $0.precedes($1) }) else { return }
    throw CheckpointError(
      .unsupported, file: store.place,
      place: "tensor \"\(name)\"", expected: "the tensors of a plain vision transformer", found: "this one as well",
      remedy: "this kind of model is not supported yet")
  }

  private mutating func use(_ name: String, shape: [Int]) throws(CheckpointError) {
    let file = store.place
    guard let found = store.description(of: name) else {
      throw CheckpointError(
        .missingTensor, file: file, place: "tensor \"\(name)\"", expected: "shape \(shape)",
        found: nearestName(to: name, among: store.names).map { "no such tensor, nearest is \"\($0)\"" } ?? "no tensors",
        remedy: "the weights do not belong to this configuration, or lack a part")
    }
    guard found.shape == shape || (shape.isEmpty && found.shape == [1]) else {
      throw CheckpointError(
        .tensorShape, file: file, place: "tensor \"\(name)\"", expected: "shape \(shape)", found: "\(found.shape)",
        remedy: "the weights do not belong to this configuration")
    }
    guard found.elementType.isReadableAsFloat else {
      throw CheckpointError(
        .tensorType, file: file, place: "tensor \"\(name)\"", expected: "F32, F16, BF16 or F64",
        found: found.elementType.rawValue, remedy: "convert the weights to one of these types")
    }
    used.insert(TextKey(name))
    storageTypes[found.elementType, default: 0] += shape.reduce(1, *)
  }
}

/// A part of a mapped file.
private final class FileRegion: StoredBytes {
  private let file: FileBytes
  private let range: Range<Int>

  init(_ tensor: MappedTensor) {
    file = tensor.file
    range = tensor.bytes
  }

  var count: Int { range.count }
  func bringIn() -> UnsafeRawPointer? { unsafe file.bringIn(range) }
  func letGo() { file.letGo(range) }
}

extension TensorStore {
  /// What errors call the weights.
  var place: String {
    switch files.count {
    case 0: "weights"
    case 1: files[0]
    default: "\(files.count) weight files"
    }
  }
}

extension ElementType {
  /// As which weights have this type; nil where they have not.
  fileprivate var precision: Precision? {
    switch self {
    case .f32: .f32
    case .f16: .f16
    case .bf16: .bf16
    default: nil
    }
  }
}
