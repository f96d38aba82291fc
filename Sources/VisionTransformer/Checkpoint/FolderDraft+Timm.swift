import StrictJSON

/// A tower of timm that computes what a configuration says, with sizes said beside its name where they are others.
struct MatchingTower {
  /// As its name has it.
  let tower: TimmTower
  let names: TowerNames
  let pooling: TimmTower.Pooling
  let hasOwnSizes: Bool
  /// What the file says its MLP's width by.
  let ratio: String
  /// How many things must be said beside the name, or are not as the name has them.
  private let distance: Int

  /// The nearest first.
  static func all(_ configuration: ModelConfiguration, prefix: String) -> [MatchingTower] {
    TimmTower.names.compactMap { TimmTower.named($0) }.compactMap { MatchingTower($0, configuration, prefix: prefix) }
      .enumerated().sorted { ($0.element.distance, $0.offset) < ($1.element.distance, $1.offset) }.map(\.element)
  }

  private init?(_ tower: TimmTower, _ configuration: ModelConfiguration, prefix: String) {
    let vision = configuration.vision
    guard let pooling = TimmTower.Pooling(vision.pooling) else { return nil }
    var sized = tower
    (sized.layers, sized.width, sized.heads) = (vision.layers, vision.width, vision.heads)
    (sized.mlpWidth, sized.patchSize, sized.pooling) = (vision.mlpWidth, vision.patchSize, pooling)
    sized.hasQueryKeyNorm = vision.hasQueryKeyNorm
    if pooling == .average { sized.poolsPrefix = vision.averagesLeadingTokens }
    let table = vision.positions.map { ($0.height * vision.patchSize, $0.width * vision.patchSize) }
    var read = sized.read(
      prefix: prefix, imageHeight: vision.imageHeight, imageWidth: vision.imageWidth,
      table: table ?? (vision.imageHeight, vision.imageWidth), normsAfterPooling: vision.normsAfterPooling)
    // Of the projection and the pooler's sizes the file says more than the name, and the activation may be OpenCLIP's.
    (read.vision.hasProjection, read.vision.hasProjectionBias) = (vision.hasProjection, vision.hasProjectionBias)
    (read.vision.poolerHeads, read.vision.poolerMLPWidth) = (vision.poolerHeads, vision.poolerMLPWidth)
    guard read.vision == vision else { return nil }
    self.tower = tower
    self.pooling = pooling
    names = read.names
    hasOwnSizes =
      [tower.layers, tower.width, tower.heads, tower.mlpWidth, tower.patchSize]
      != [vision.layers, vision.width, vision.heads, vision.mlpWidth, vision.patchSize]
    let isPacked = tower.kind == .vit && tower.gate == .packed
    ratio = FolderDraft.ratio(isPacked ? 2 * vision.mlpWidth : vision.mlpWidth, vision.width)
    let isSame = [
      tower.layers == vision.layers, tower.width == vision.width, tower.heads == vision.heads,
      tower.mlpWidth == vision.mlpWidth, tower.patchSize == vision.patchSize, tower.pooling == pooling,
      tower.imageHeight == vision.imageHeight, tower.imageWidth == vision.imageWidth,
      tower.hasPooledNorm == vision.normsAfterPooling, tower.pooler?.heads == vision.poolerHeads || pooling != .map,
      tower.classes == configuration.classes?.count ?? 0, tower.mean == configuration.preprocessing.mean,
      tower.cropMode.resizeMode == configuration.preprocessing.resizeMode,
    ]
    distance = isSame.count { !$0 }
  }
}

extension TimmTower.Pooling {
  fileprivate init?(_ pooling: VisionConfiguration.Pooling) {
    switch pooling {
    case .classToken: self = .token
    case .average: self = .average
    case .map: self = .map
    case .unpooled, .queries, .classAndPatches, .classAndDistillation: return nil
    }
  }
}

extension FolderDraft {
  /// As timm's `save_for_hf` writes it.
  static func timm(_ configuration: ModelConfiguration) -> [FolderDraft] {
    MatchingTower.all(configuration, prefix: "").map { match in
      FolderDraft(
        configuration: configuration, texts: [("config.json", timmText(configuration, match))],
        weightFile: "model.safetensors", names: match.names, hasLayerScale: match.tower.hasLayerScale
      ) { object, store throws(CheckpointError) in try ModelConfiguration.readTimm(object, store: store) }
    }
  }

  private static func timmText(_ configuration: ModelConfiguration, _ match: MatchingTower) -> String {
    let (vision, tower) = (configuration.vision, match.tower)
    let rows = configuration.classes?.count ?? (vision.hasProjection ? configuration.embeddingWidth : 0)
    var members = [
      "\"architecture\": \(quoted(tower.name))", "\"num_classes\": \(rows)", "\"num_features\": \(vision.width)",
      "\"global_pool\": \(quoted(match.pooling.rawValue))",
    ]
    // Without names some heads would be taken for projections.
    if let classes = configuration.classes,
      tower.projects(to: rows) || classes != ModelConfiguration.unnamedClasses(rows)
    {
      members.append("\"label_names\": [\(classes.map(quoted).joined(separator: ", "))]")
    }
    let arguments = arguments(vision, match)
    if !arguments.isEmpty { members.append("\"model_args\": {\(arguments.joined(separator: ", "))}") }
    members.append(
      "\"pretrained_cfg\": {\(preprocessing(configuration, tower, rows: rows).joined(separator: ", "))}")
    return text(members)
  }

  /// What is not as the name has it.
  private static func arguments(_ vision: VisionConfiguration, _ match: MatchingTower) -> [String] {
    let tower = match.tower
    var arguments: [String] = []
    if tower.layers != vision.layers { arguments.append("\"depth\": \(vision.layers)") }
    if tower.width != vision.width { arguments.append("\"embed_dim\": \(vision.width)") }
    if tower.heads != vision.heads { arguments.append("\"num_heads\": \(vision.heads)") }
    if tower.width != vision.width || tower.mlpWidth != vision.mlpWidth {
      arguments.append("\"mlp_ratio\": \(match.ratio)")
    }
    if tower.patchSize != vision.patchSize { arguments.append("\"patch_size\": \(vision.patchSize)") }
    if tower.hasQueryKeyNorm != vision.hasQueryKeyNorm { arguments.append("\"qk_norm\": \(vision.hasQueryKeyNorm)") }
    if tower.pooling != match.pooling { arguments.append("\"global_pool\": \(quoted(match.pooling.rawValue))") }
    if vision.averagesLeadingTokens { arguments.append("\"pool_include_prefix\": true") }
    if vision.pooling == .map, tower.kind == .eva, tower.pooler?.heads != vision.poolerHeads {
      arguments.append("\"attn_pool_num_heads\": \(vision.poolerHeads)")
    }
    if let table = vision.positions {
      let isOwn = tower.saysImageSize || tower.takesAnySize
      let (height, width) = isOwn ? (tower.imageHeight, tower.imageWidth) : (vision.imageHeight, vision.imageWidth)
      if (height / vision.patchSize, width / vision.patchSize) != (table.height, table.width) {
        arguments.append("\"img_size\": [\(table.height * vision.patchSize), \(table.width * vision.patchSize)]")
      }
    }
    return arguments
  }

  private static func preprocessing(
    _ configuration: ModelConfiguration, _ tower: TimmTower, rows: Int
  ) -> [String] {
    let (vision, preprocessing) = (configuration.vision, configuration.preprocessing)
    let resized = preprocessing.resized ?? .init(height: vision.imageHeight, width: vision.imageWidth)
    let share = [tower.cropShare, 1, Double(vision.imageHeight) / (Double(resized.height) + 0.5)].first {
      Preprocessing(
        mean: [], std: [], interpolation: .bicubic, cropMode: .center, cropShare: $0, height: vision.imageHeight,
        width: vision.imageWidth
      ).resized == resized
    }
    let mode: TimmTower.CropMode =
      switch preprocessing.resizeMode {
      case .shortest: .center
      case .squash: .squash
      case .longest: .border
      }
    var fields = [
      "\"input_size\": [3, \(vision.imageHeight), \(vision.imageWidth)]",
      "\"fixed_input_size\": \(!tower.takesAnySize)",
      "\"interpolation\": \(quoted(preprocessing.interpolation.rawValue))", "\"crop_pct\": \(share ?? 1)",
      "\"crop_mode\": \(quoted(mode.rawValue))", "\"num_classes\": \(rows)",
    ]
    if let mean = preprocessing.mean { fields.append("\"mean\": \(list(mean))") }
    if let std = preprocessing.std { fields.append("\"std\": \(list(std))") }
    return fields
  }
}
