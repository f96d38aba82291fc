public import Failures
import Files
public import SafeTensors
import TorchFiles

/// A model folder in OpenCLIP or Hugging Face layout, wholly checked when it is opened: the configuration's values, the
/// weight files, and that every tensor is there with the right shape. Weights are read when they are asked for.
public struct Checkpoint: WeightSource {
  public let folder: String
  public let configuration: ModelConfiguration
  /// The weight files.
  public let store: any TensorStore
  /// Names in the files that no tower uses, sorted.
  public let ignoredTensors: [String]
  /// Numbers in the tensors that the towers use, LayerScale included.
  public let parameterCount: Int
  /// Those numbers by the type that stores them.
  public let storageTypes: [ElementType: Int]

  /// The keys that lead from the object that PyTorch saved to the dictionary of the weights; see
  /// `TorchFile.dictionaryKeys`. None for other files.
  public var weightKeys: [String] { (store as? TorchFile)?.dictionaryKeys ?? [] }

  private let stored: [String: StoredTensor]
  /// Of each tensor that LayerScale multiplies, the name of the factors, one for each row.
  private let scales: [String: String]

  /// Names of weight files, in the order in which they are looked for; those of `TorchFolder` come after them.
  public static let weightFiles = [
    "open_clip_model.safetensors", "open_clip_pytorch_model.safetensors", "model.safetensors",
    "model.safetensors.index.json",
  ]

  /// Opens the model in `folder`.
  /// - Parameter mapped: see `SafeTensorsFile.init(path:mapped:)`.
  /// - Throws: `missingFile`, `configuration`, `unsupported`, `missingTensor`, `tensorShape`, `tensorType`, `weights`,
  ///   or `torchWeights`.
  public init(folder: String, mapped: Bool = true) throws(CheckpointError) {
    let files = try ModelFolder(path: folder)
    let store = try Self.weights(in: folder, mapped: mapped)
    let layout = files.layout(of: store)
    let read = try files.configuration(preferring: layout)
    var configuration = read.configuration
    configuration.layout = layout
    var check = CheckpointCheck(store: store, configuration: configuration)
    for tensor in configuration.canonicalTensors { try check.add(tensor) }
    if layout == .openCLIP {
      try check.addLayerScale(
        "visual.transformer", layers: configuration.vision.layers, width: configuration.vision.width,
        isDeclared: read.visionLayerScale)
      if let text = configuration.text {
        try check.addLayerScale(
          "transformer", layers: text.layers, width: text.width, isDeclared: read.textLayerScale,
          prefix: configuration.nestsText ? "text." : "")
      }
    }
    if configuration.vision.pooling == .map { try check.refuseUnusedVisionTensors() }
    self.folder = folder
    self.configuration = configuration
    self.store = store
    stored = check.stored
    scales = check.scales
    storageTypes = check.storageTypes
    parameterCount = check.storageTypes.values.reduce(0, +)
    ignoredTensors = store.names.filter { !check.used.contains($0) }
  }

  /// PyTorch's files are read where there are no safetensors.
  private static func weights(in folder: String, mapped: Bool) throws(CheckpointError) -> any TensorStore {
    do throws(SafeTensorsError) {
      return try SafeTensorsFolder.open(folder, candidates: weightFiles, mapped: mapped)
    } catch {
      guard error.rule == .noWeights else { throw CheckpointError(error) }
    }
    let store: (any TensorStore)?
    do throws(TorchFileError) { store = try TorchFolder.open(folder, mapped: mapped) } catch {
      throw CheckpointError(error)
    }
    guard let store else {
      throw CheckpointError(
        .weights(.noWeights), file: folder, place: "folder",
        expected: "one of \((weightFiles + TorchFolder.candidates).joined(separator: ", ")), or one .pt or .pth",
        found: "none of them", remedy: "name a folder that holds a model's weights")
    }
    return store
  }

  /// See `WeightSource`. LayerScale is multiplied into the weight and bias that it follows.
  public func floats(_ canonicalName: String) throws(CheckpointError) -> [Float] {
    try scaled(canonicalName) { name, shape throws(SafeTensorsError) in try store.floats(name, shape: shape) }
  }

  public func doubles(_ canonicalName: String) throws(CheckpointError) -> [Double] {
    try scaled(canonicalName) { name, shape throws(SafeTensorsError) in try store.doubles(name, shape: shape) }
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
      var values: [Scalar] = []
      for part in tensor.parts {
        let stored = try read(part.name, store.shape(of: part.name) ?? part.shape)
        if tensor.parts.count == 1 { values = stored } else { values += stored }
      }
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
  /// says of a single file. Reads every byte.
  public func fileHash() throws(CheckpointError) -> String {
    var hash = SHA256()
    do throws(FileError) {
      for path in store.files {
        let file = try FileBytes(path: path, mapped: false)
        try unsafe file.forEachChunk(of: 0..<file.size) { chunk in
          unsafe hash.update(chunk)
          return true
        }
      }
    } catch {
      throw CheckpointError(SafeTensorsError(error))
    }
    return hash.finish()
  }
}

/// The configuration files of a model folder.
private struct ModelFolder {
  let path: String
  let openCLIP: String?
  let huggingFace: String?
  let preprocessor: String?

  init(path: String) throws(CheckpointError) {
    func existing(_ name: String) -> String? { FileTree.exists(path + "/" + name) ? path + "/" + name : nil }
    self.path = path
    openCLIP = existing("open_clip_config.json")
    huggingFace = existing("config.json")
    preprocessor = existing("preprocessor_config.json")
    guard openCLIP != nil || huggingFace != nil else {
      throw CheckpointError(
        .missingFile, file: path, place: "model folder", expected: "open_clip_config.json or config.json",
        found: "neither", remedy: "name a folder that holds a model in OpenCLIP or Hugging Face layout")
    }
  }

  /// The tensors' names decide; a folder may hold the configurations of both layouts.
  func layout(of store: any TensorStore) -> ModelConfiguration.Layout {
    if store.contains("visual.conv1.weight") || store.contains("visual.trunk.pos_embed") { return .openCLIP }
    if store.contains("vision_model.embeddings.patch_embedding.weight") { return .huggingFace }
    return openCLIP != nil ? .openCLIP : .huggingFace
  }

  func configuration(preferring layout: ModelConfiguration.Layout) throws(CheckpointError) -> ReadConfiguration {
    if let openCLIP, layout == .openCLIP || huggingFace == nil { return try ModelConfiguration.readOpenCLIP(openCLIP) }
    return try ModelConfiguration.readHuggingFace(huggingFace ?? "", preprocessor: preprocessor)
  }
}

/// Collects the tensors that a configuration asks for, checking each against the files.
private struct CheckpointCheck {
  let store: any TensorStore
  let configuration: ModelConfiguration
  var stored: [String: StoredTensor] = [:]
  var scales: [String: String] = [:]
  var used: Set<String> = []
  var storageTypes: [ElementType: Int] = [:]

  init(store: any TensorStore, configuration: ModelConfiguration) {
    self.store = store
    self.configuration = configuration
  }

  mutating func add(_ tensor: CanonicalTensor) throws(CheckpointError) {
    let source = StoredTensor(tensor, in: configuration)
    for part in source.parts { try use(part.name, shape: part.shape) }
    stored[tensor.name] = source
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

  /// timm's towers have options (LayerScale, norms of queries and keys, positions in the pooler) that show in their
  /// tensors alone.
  func refuseUnusedVisionTensors() throws(CheckpointError) {
    let unused = store.names.filter {
      ($0.hasPrefix("visual.trunk.") || $0.hasPrefix("vision_model.")) && !used.contains($0)
        && !$0.hasSuffix("position_ids")
    }
    guard let name = unused.min() else { return }
    throw CheckpointError(
      .unsupported, file: store.files.count == 1 ? store.files[0] : "\(store.files.count) weight files",
      place: "tensor \"\(name)\"", expected: "the tensors of a plain SigLIP tower", found: "this one as well",
      remedy: "this kind of model is not supported yet")
  }

  private mutating func use(_ name: String, shape: [Int]) throws(CheckpointError) {
    let file = store.files.count == 1 ? store.files[0] : "\(store.files.count) weight files"
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
    used.insert(name)
    storageTypes[found.elementType, default: 0] += shape.reduce(1, *)
  }
}
