import Compute
import Failures
import SafeTensors
import StrictJSON
import Texts

/// A tower of timm as a file names and changes it.
private struct NamedTower {
  var tower: TimmTower
  /// Whether the file gives sizes of its own.
  var hasOwnSizes = false

  /// - Parameter key: of the name in `object`.
  init(_ object: ConfigurationObject, key: String) throws(CheckpointError) {
    let name = try object.string(key) ?? ""
    guard let tower = TimmTower.named(name) else {
      let nearest = TimmTower.nearest(to: name).map { ", nearest is \($0)" } ?? ""
      throw object.unsupported(
        key, expected: "a plain vision transformer of timm \(TimmTowerTable.version)",
        found: name + (TimmTower.reason(against: name).map { " (\($0))" } ?? " (unknown to timm\(nearest))"))
    }
    self.tower = tower
  }

  /// Sizes that the file gives win over those of the name, so that towers without a name can be said too.
  mutating func take(
    _ object: ConfigurationObject, width: String, layers: String, patchSize: String, ratio: String
  ) throws(CheckpointError) {
    let ratioOfName = Double(tower.mlpWidth) / Double(tower.width)
    let ownWidth = try object.integer(width, default: tower.width, in: ConfigurationRange.width)
    hasOwnSizes = [width, layers, patchSize, ratio].contains { object.value($0) != nil }
    tower.layers = try object.integer(layers, default: tower.layers, in: ConfigurationRange.layers)
    tower.patchSize = try object.integer(patchSize, default: tower.patchSize, in: ConfigurationRange.patchSize)
    if object.value(ratio) != nil {
      // A packed gate of the class VisionTransformer is counted with the value.
      let width = Int(Double(ownWidth) * (try object.double(ratio, default: 4, in: 1e-4...1e3)))
      tower.mlpWidth = tower.kind == .vit && tower.gate == .packed ? width / 2 : width
    } else if ownWidth != tower.width {
      tower.mlpWidth = Int(Double(ownWidth) * ratioOfName)
    }
    tower.width = ownWidth
  }

  /// Pools as the field `key` says, or as it does where that is nil.
  mutating func takePooling(_ name: String?, _ object: ConfigurationObject, key: String) throws(CheckpointError) {
    guard let name else { return }
    guard let pooling = TimmTower.Pooling(rawValue: name), pooling != .none else {
      throw object.unsupported(key, expected: "token, avg or map", found: name)
    }
    tower.pooling = pooling
  }

  /// The tower, and the names of its tensors.
  /// - Parameter prefix: before every name.
  func read(
    store: any TensorStore, prefix: String, imageHeight: Int, imageWidth: Int, table: (height: Int, width: Int)
  ) -> (vision: VisionConfiguration, names: TowerNames) {
    // Which norm there is follows from the pooling unless the file says otherwise, and shows in the tensors.
    var read = tower.read(
      prefix: prefix, imageHeight: imageHeight, imageWidth: imageWidth, table: table,
      normsAfterPooling: store.contains(prefix + "fc_norm.weight"))
    if hasOwnSizes, let rows = store.shape(of: prefix + "attn_pool.mlp.fc1.weight")?.first {
      read.vision.poolerMLPWidth = rows
    }
    return read
  }
}

extension TimmTower {
  /// The tower as it is computed, without a projection, and the names of its tensors.
  /// - Parameters:
  ///   - prefix: before every name.
  ///   - table: height and width in pixels of the pictures that the positional table is for.
  ///   - normsAfterPooling: whether the last norm is `fc_norm`.
  func read(
    prefix: String, imageHeight: Int, imageWidth: Int, table: (height: Int, width: Int), normsAfterPooling: Bool
  ) -> (vision: VisionConfiguration, names: TowerNames) {
    var vision = VisionConfiguration(
      layers: layers, width: width, heads: heads, mlpWidth: mlpWidth, patchSize: patchSize, imageHeight: imageHeight,
      imageWidth: imageWidth, activation: activation, epsilon: epsilon, pooling: pooling.pooling,
      normsAfterPooling: normsAfterPooling, hasClassToken: hasClassToken, hasInputNorm: hasInputNorm,
      hasPatchBias: hasPatchBias)
    var names = TowerNames.timm(prefix: prefix)
    vision.registers = registers
    vision.positions =
      hasPositions
      ? LearnedPositions(
        leadingRows: positionsPatchesOnly ? 0 : prefixTokens, height: table.height / patchSize,
        width: table.width / patchSize) : nil
    vision.rotary = rotary.map { $0.positions(grid: vision) }
    vision.mlp = gate == nil ? .plain : .gated
    vision.hasHiddenNorm = hasHiddenNorm
    vision.hasAttendedNorm = hasAttendedNorm
    vision.biases.queries = qkvBias != .none
    vision.biases.keys = qkvBias == .all
    vision.biases.values = qkvBias != .none
    vision.hasQueryKeyNorm = hasQueryKeyNorm
    vision.hasOutputNorm = hasFinalNorm || hasPooledNorm
    if pooling == .average {
      vision.blockScore = .ownPooling
      vision.averagesLeadingTokens = kind == .vit && poolsPrefix && prefixTokens > 0
      // Nothing comes between the mean and the head then.
      if !vision.hasOutputNorm { vision.normsAfterPooling = true }
    }
    if normsAfterPooling, vision.hasOutputNorm { names.outputNorm = "fc_norm" }
    vision.poolerHeads = pooler?.heads ?? heads
    vision.poolerMLPWidth = pooler?.mlpWidth ?? mlpWidth
    vision.poolsPatchesOnly = pooling == .map && prefixTokens > 0 && kind == .vit && !poolsPrefix
    if gate == .split { names.mlpInput = .stacked(["mlp.fc1_g", "mlp.fc1_x"]) }
    if !hasFusedQKV {
      names.queriesKeysValues = .stacked(["attn.q_proj", "attn.k_proj", "attn.v_proj"])
    } else if qkvBias == .queryAndValue {
      names.queriesKeysValues = .fused("attn.qkv", queryBias: "attn.q_bias", valueBias: "attn.v_bias")
    }
    if kind == .eva { names.scales = ["gamma_1", "gamma_2"] }
    return (vision, names)
  }
}

extension TimmTower.Pooling {
  fileprivate var pooling: VisionConfiguration.Pooling {
    switch self {
    case .token: .classToken
    case .average: .average
    case .map: .map
    case .none: .unpooled
    }
  }
}

extension TimmTower.Rotary {
  /// - Parameter grid: of which tower; where there is no grid of reference, its own is that.
  fileprivate func positions(grid vision: VisionConfiguration) -> RotaryPositions {
    let numbers = RotaryPositions.Kind.numbers(
      offset: Int(offset), referenceHeight: referenceGrid?.height ?? vision.gridHeight,
      referenceWidth: referenceGrid?.width ?? vision.gridWidth, columnFirst: startsWithColumn)
    return RotaryPositions(
      kind == .dinov3 ? .centres : numbers, theta: Double(temperature), pairing: turnsHalves ? .halves : .neighbours)
  }
}

// MARK: OpenCLIP's towers

extension ModelConfiguration {
  /// A tower that OpenCLIP takes from timm by name (open_clip 3.3.0, `timm_model.py`).
  static func openCLIPTrunk(
    _ object: ConfigurationObject, store: any TensorStore
  ) throws(CheckpointError) -> (vision: VisionConfiguration, names: TowerNames) {
    var named = try NamedTower(object, key: "timm_model_name")
    try object.refuseOptions(except: [
      "layers", "width", "head_width", "mlp_ratio", "patch_size", "image_size", "act_kwargs", "timm_model_name",
      "timm_model_pretrained", "timm_pool", "timm_proj", "timm_proj_bias", "timm_drop", "timm_drop_path",
      "output_tokens",
    ])
    try named.take(object, width: "width", layers: "layers", patchSize: "patch_size", ratio: "mlp_ratio")
    if named.hasOwnSizes {
      let headWidth = try object.integer("head_width", default: 64, in: ConfigurationRange.width)
      named.tower.heads = named.tower.width / headWidth
      if named.tower.kind == .vit { named.tower.pooler?.heads = named.tower.heads }
    }
    try named.takePooling(object.string("timm_pool") ?? "avg", object, key: "timm_pool")
    // The tower's table is for the size that its name says, whatever pictures are resized to.
    let own = (height: named.tower.imageHeight, width: named.tower.imageWidth)
    let size = try object.size("image_size", default: own, in: ConfigurationRange.imageSize)
    var (vision, names) = named.read(
      store: store, prefix: "visual.trunk.", imageHeight: size.height, imageWidth: size.width,
      table: named.hasOwnSizes ? size : own)
    if object.value("act_kwargs") != nil { vision.activation = try openCLIPActivation(object, quickGELU: false) }
    // OpenCLIP's own default is a projection without a bias.
    let projection = object.members["timm_proj"] != nil ? try object.string("timm_proj") : "linear"
    switch projection {
    case nil, "": (vision.hasProjection, vision.hasProjectionBias) = (true, true)
    case "none": vision.hasProjection = false
    case "linear":
      names.projection = "head.proj"
      names.isProjectionOutside = true
      vision.hasProjection = true
      vision.hasProjectionBias = try object.bool("timm_proj_bias", default: false)
    case let other?: throw object.unsupported("timm_proj", expected: "null, none or linear", found: other)
    }
    return (vision, names)
  }
}

// MARK: timm's folders

extension ModelConfiguration {
  /// The `config.json` of timm's `save_for_hf` (timm 1.0.31, `_hub.py`).
  static func readTimm(
    _ top: ConfigurationObject, store: any TensorStore
  ) throws(CheckpointError) -> ReadConfiguration {
    var named = try NamedTower(top, key: "architecture")
    let arguments = try top.object("model_args") ?? ConfigurationObject(file: top.file, path: "model_args.")
    try takeArguments(arguments, to: &named)
    let defaults = try top.object("pretrained_cfg") ?? ConfigurationObject(file: top.file, path: "pretrained_cfg.")
    var input = try arguments.size(
      "img_size", default: (named.tower.imageHeight, named.tower.imageWidth), in: ConfigurationRange.imageSize)
    if let size = defaults.value("input_size") {
      let range = ConfigurationRange.imageSize
      guard case .array(let sides) = size, sides.count == 3, case .integer(let height) = sides[1],
        case .integer(let width) = sides[2], range.contains(height), range.contains(width)
      else {
        throw defaults.failure(
          "input_size", expected: "[3, height, width], sides from \(range.lowerBound) to \(range.upperBound)",
          found: size.summary)
      }
      input = (height, width)
    }
    // A tower that says its size itself, or takes any, has its table for that size.
    var table = (height: named.tower.imageHeight, width: named.tower.imageWidth)
    if !named.tower.saysImageSize, !named.tower.takesAnySize { table = input }
    table = try arguments.size("img_size", default: table, in: ConfigurationRange.imageSize)
    guard min(table.height, table.width) >= named.tower.patchSize else {
      throw arguments.failure(
        "img_size", expected: "at least the patch size \(named.tower.patchSize)",
        found: "\(table.height)×\(table.width)")
    }
    let (tower, names) = named.read(
      store: store, prefix: "", imageHeight: input.height, imageWidth: input.width, table: table)
    var vision = tower
    vision.hasProjection = false
    var configuration = ModelConfiguration(
      embeddingWidth: vision.width, vision: vision, text: nil,
      preprocessing: try timmPreprocessing(defaults, named.tower, height: input.height, width: input.width),
      layout: .timm)
    if let rows = try top.rows(of: "head.weight", in: store) {
      // Older files have their labels elsewhere.
      let unnamed = unnamedClasses(rows)
      var labels = try top.labels("label_names", unnamed: unnamed)
      if labels == nil { labels = try defaults.labels("labels", unnamed: unnamed) }
      configuration.takeHead(of: named.tower, rows: rows, hasBias: store.contains("head.bias"), labels: labels)
    }
    try configuration.validate(file: top.file)
    return ReadConfiguration(configuration, names: names)
  }

  /// A `head` is a classifier's, or the projection to the space that images and texts share.
  mutating func takeHead(of tower: TimmTower, rows: Int, hasBias: Bool, labels: [String]?) {
    if labels == nil, tower.projects(to: rows) {
      embeddingWidth = rows
      vision.hasProjection = true
      vision.hasProjectionBias = hasBias
    } else {
      classes = labels ?? Self.unnamedClasses(rows)
    }
  }

  /// What the classes of a file are called that does not name them.
  static func unnamedClasses(_ count: Int) -> [String] { (0..<count).map { "class \($0)" } }

  /// The arguments that a model was made with beside its name; one that is not understood would be computed wrongly.
  private static func takeArguments(
    _ arguments: ConfigurationObject, to named: inout NamedTower
  ) throws(CheckpointError) {
    try arguments.refuseOptions(except: [
      "num_classes", "img_size", "embed_dim", "depth", "num_heads", "patch_size", "mlp_ratio", "in_chans",
      "global_pool", "reg_tokens", "no_embed_class", "init_values", "fc_norm", "class_token", "qkv_bias",
      "attn_pool_num_heads", "attn_pool_mlp_ratio", "ref_feat_shape", "dynamic_img_size", "dynamic_img_pad",
      "strict_img_size", "drop_rate", "drop_path_rate", "proj_drop_rate", "attn_drop_rate", "patch_drop_rate",
      "pos_drop_rate", "weight_init", "fix_init", "pool_include_prefix",
      "qk_norm", "final_norm",
    ])
    try arguments.require("in_chans", .integer(3))
    try named.take(arguments, width: "embed_dim", layers: "depth", patchSize: "patch_size", ratio: "mlp_ratio")
    named.tower.heads = try arguments.integer("num_heads", default: named.tower.heads, in: ConfigurationRange.width)
    named.tower.registers = try arguments.integer("reg_tokens", default: named.tower.registers, in: 0...1_024)
    named.tower.hasClassToken = try arguments.bool("class_token", default: named.tower.hasClassToken)
    named.tower.positionsPatchesOnly = try arguments.bool("no_embed_class", default: named.tower.positionsPatchesOnly)
    if arguments.value("qkv_bias") != nil {
      let hasBias = try arguments.bool("qkv_bias", default: true)
      named.tower.qkvBias = !hasBias ? .none : named.tower.qkvBias == .none ? .all : named.tower.qkvBias
    }
    named.tower.hasQueryKeyNorm = try arguments.bool("qk_norm", default: named.tower.hasQueryKeyNorm)
    if try !arguments.bool("final_norm", default: true) {
      (named.tower.hasFinalNorm, named.tower.hasPooledNorm) = (false, false)
    }
    try named.takePooling(arguments.string("global_pool"), arguments, key: "global_pool")
    guard named.tower.pooling != .map || named.tower.hasFinalNorm || named.tower.hasPooledNorm else {
      throw arguments.unsupported("global_pool", expected: "a norm before the pooler", found: "map without one")
    }
    let poolsPrefix = try arguments.bool("pool_include_prefix", default: named.tower.poolsPrefix)
    guard named.tower.kind == .vit || poolsPrefix == named.tower.poolsPrefix else {
      throw arguments.unsupported(
        "pool_include_prefix", expected: "none, as timm's class Eva has no such argument", found: "\(poolsPrefix)")
    }
    named.tower.poolsPrefix = poolsPrefix
    if named.tower.kind == .vit || named.tower.pooler == nil {
      let (heads, mlpWidth) = (named.tower.heads, named.tower.mlpWidth)
      named.tower.pooler = named.tower.pooling == .map ? .init(heads: heads, mlpWidth: mlpWidth) : nil
    }
    if arguments.value("attn_pool_num_heads") != nil {
      named.tower.pooler?.heads = try arguments.integer("attn_pool_num_heads", default: 1, in: ConfigurationRange.width)
    }
    if named.tower.rotary?.kind == .cat {
      let own = named.tower.rotary?.referenceGrid
      let grid = try arguments.size(
        "ref_feat_shape", default: (own?.height ?? 0, own?.width ?? 0), in: ConfigurationRange.imageSize)
      if grid.height > 0 { named.tower.rotary?.referenceGrid = .init(height: grid.height, width: grid.width) }
    }
  }

  /// How timm prepares pictures for validation (timm 1.0.31, `transforms_factory.py`). What the file does not say is as
  /// in timm's own defaults for files, not as in the name's.
  static func timmPreprocessing(
    _ defaults: ConfigurationObject, _ tower: TimmTower, height: Int, width: Int
  ) throws(CheckpointError) -> Preprocessing {
    guard !defaults.members.isEmpty else { return Preprocessing(tower, height: height, width: width) }
    let modeName = try defaults.string("crop_mode") ?? "center"
    guard let cropMode = TimmTower.CropMode(rawValue: modeName) else {
      throw defaults.unsupported("crop_mode", expected: "center, squash or border", found: modeName)
    }
    let name = try defaults.string("interpolation") ?? "bicubic"
    guard let interpolation = Preprocessing.Interpolation(rawValue: name) else {
      throw defaults.unsupported("interpolation", expected: "bicubic or bilinear", found: name)
    }
    return Preprocessing(
      mean: try defaults.channels("mean", positive: false) ?? [0.485, 0.456, 0.406],
      std: try defaults.channels("std", positive: true) ?? [0.229, 0.224, 0.225], interpolation: interpolation,
      cropMode: cropMode, cropShare: try defaults.double("crop_pct", default: 0.875, in: 1e-2...10), height: height,
      width: width)
  }
}

extension Preprocessing {
  /// As the tower's name has it.
  init(_ tower: TimmTower, height: Int, width: Int) {
    self.init(
      mean: tower.mean, std: tower.std, interpolation: .init(rawValue: tower.interpolation) ?? .bicubic,
      cropMode: tower.cropMode, cropShare: tower.cropShare, height: height, width: width)
  }

  /// - Parameters:
  ///   - height: of the input in pixels.
  ///   - width: the same.
  init(
    mean: [Double], std: [Double], interpolation: Interpolation, cropMode: TimmTower.CropMode, cropShare: Double,
    height: Int, width: Int
  ) {
    self.init(mean: mean, std: std, interpolation: interpolation, resizeMode: cropMode.resizeMode)
    resized = .init(height: Int(Double(height) / cropShare), width: Int(Double(width) / cropShare))
    if cropMode == .border { padding = mean.map { UInt8(min(max((255 * $0).rounded(.toNearestOrEven), 0), 255)) } }
  }
}

extension TimmTower.CropMode {
  var resizeMode: Preprocessing.ResizeMode {
    switch self {
    case .center: .shortest
    case .squash: .squash
    case .border: .longest
    }
  }
}

extension TimmTower {
  /// Numbers of classes that towers of CLIP's kind were fine-tuned for: ImageNet-1k, -12k and -22k.
  private static let classCounts: Set = [1_000, 11_821, 21_841, 21_843]

  /// Whether `head` is the projection to the space that images and texts share, and not a classifier.
  func projects(to rows: Int) -> Bool {
    (name.contains("_clip_") || name.hasPrefix("vit_pe_")) && !Self.classCounts.contains(rows)
  }
}
