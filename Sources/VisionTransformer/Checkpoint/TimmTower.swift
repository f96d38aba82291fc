package import Compute
import Texts

/// A vision transformer of timm by its name: what the name alone says, since neither a folder's file nor its tensors
/// need say it. The rows were read off the modules that timm 1.0.31 makes (Scripts/timm_towers.py).
package struct TimmTower: Equatable, Sendable {
  /// The class in timm. Both are the same transformer; what is named otherwise follows from this.
  package enum Kind: String, Sendable, CaseIterable {
    /// `VisionTransformer`: LayerScale is `ls1.gamma`, `ls2.gamma`.
    case vit
    /// `Eva`: LayerScale is `gamma_1`, `gamma_2`.
    case eva
  }

  /// How an MLP `W₂(act(W_g x + b_g) ⊙ (W_x x + b_x)) + b₂` is stored.
  package enum Gate: String, Sendable, CaseIterable {
    /// `mlp.fc1` of 2·M rows, those of the gate first.
    case packed
    /// `mlp.fc1_g`, the gate, and `mlp.fc1_x`, of M rows each.
    case split
  }

  /// Which of the projections to queries, keys and values have biases.
  package enum QKVBias: String, Sendable, CaseIterable {
    case all
    case none
    /// Queries and values: `q_bias`, `v_bias` beside a fused `qkv.weight`, else the biases of `q_proj`, `v_proj`.
    case queryAndValue = "qv"
  }

  package enum Pooling: String, Sendable, CaseIterable {
    /// The class token.
    case token
    /// The mean of the patches.
    case average = "avg"
    /// One learned query's attention (``TimmTower/pooler``).
    case map
    /// None: one row per token.
    case none
  }

  /// Rotary positions of the patches; prefix tokens are not turned. They are the same in all blocks and heads.
  package struct Rotary: Equatable, Sendable {
    package enum Kind: String, Sendable, CaseIterable {
      /// Row and column as they are counted, scaled to the reference grid; no turn of 2π.
      case cat
      /// DINOv3's: the patch's middle in -1…1 along each axis, times 2π.
      case dinov3
    }

    package var kind: Kind
    /// The base of the frequencies `temperature^(-k / (d/4))`, d the width of a head and k < d/4.
    package var temperature: Float
    /// Added to the row and the column, in patches, before they are scaled to the reference grid.
    package var offset: Float
    /// Whether the first half of the angles is the column's (timm's "xy") and not the row's ("ij").
    package var startsWithColumn: Bool
    /// Height and width in patches of the grid that positions are scaled to; nil leaves them as they are.
    package var referenceGrid: Size?
    /// Whether element k turns with element k + d/2; otherwise neighbours turn with each other.
    package var turnsHalves: Bool
  }

  /// Attention of one learned query on the tokens, and an MLP: timm's `attn_pool`.
  package struct Pooler: Equatable, Sendable {
    package var heads: Int
    /// Hidden width of its MLP, which has the tower's activation and no gate.
    package var mlpWidth: Int
  }

  package struct Size: Equatable, Sendable {
    package var height: Int
    package var width: Int
  }

  package enum CropMode: String, Sendable, CaseIterable {
    /// The shorter side to `input / cropShare`, then the middle.
    case center
    /// Both sides to `input / cropShare`, then the middle.
    case squash
    /// The longer side to `input / cropShare`, then padding.
    case border
  }

  /// Without a tag of weights.
  package var name: String
  package var kind: Kind
  /// Side of a square patch in pixels.
  package var patchSize: Int
  /// Height in pixels of the pictures that the model is for, and that its positional table is for. A rest that is no
  /// whole patch is left out.
  package var imageHeight: Int
  /// Width in pixels of the pictures that the model is for.
  package var imageWidth: Int
  /// Width of a token.
  package var width: Int
  package var layers: Int
  package var heads: Int
  /// Width of the MLP behind the activation, after the gate if there is one.
  package var mlpWidth: Int
  package var activation: Activation
  /// Nil for an MLP without a gate, `mlp.fc1`.
  package var gate: Gate?
  /// Whether a layer norm precedes `mlp.fc2`: `mlp.norm`.
  package var hasHiddenNorm: Bool
  /// Whether a layer norm of all heads precedes `attn.proj`: `attn.norm`.
  package var hasAttendedNorm: Bool
  /// Whether queries and keys are normalised in every head: `attn.q_norm`, `attn.k_norm`.
  package var hasQueryKeyNorm: Bool
  /// Whether queries, keys and values are one matrix, `attn.qkv`, instead of three, `attn.q_proj` and so on.
  package var hasFusedQKV: Bool
  package var qkvBias: QKVBias
  /// Added to the variance in every layer norm.
  package var epsilon: Float
  package var hasClassToken: Bool
  /// Learned tokens behind the class token: `reg_token`.
  package var registers: Int
  package var hasPositions: Bool
  /// Whether the positional table has no rows for the class token and the registers.
  package var positionsPatchesOnly: Bool
  /// Whether tokens are normalised before the first block: `norm_pre`.
  package var hasInputNorm: Bool
  package var hasPatchBias: Bool
  package var hasLayerScale: Bool
  /// Nil without rotary positions.
  package var rotary: Rotary?
  /// In a folder only `global_pool` in `model_args` changes it; the one beside `architecture` is a note.
  package var pooling: Pooling
  /// Whether a layer norm precedes the pooling: `norm`.
  package var hasFinalNorm: Bool
  /// Whether a layer norm follows the pooling: `fc_norm`.
  package var hasPooledNorm: Bool
  /// Nil without attention pooling.
  package var pooler: Pooler?
  /// Whether the pooling sees class token and registers beside the patches. An attention pooler of the class Eva does
  /// whatever is said here.
  package var poolsPrefix: Bool
  /// Rows of `head`; 0 without one.
  package var classes: Int
  /// Whether the model takes pictures of any size.
  package var takesAnySize: Bool
  /// Whether the architecture says its picture size itself: then `input_size` in a folder's `pretrained_cfg` does not
  /// change the positional table, and only `img_size` in `model_args` does. Otherwise it does where the file says
  /// `fixed_input_size`, as all of timm do.
  package var saysImageSize: Bool

  /// Mean of each colour channel, red, green, blue, of pixels in 0…1.
  package var mean: [Double]
  /// Standard deviation of each colour channel.
  package var std: [Double]
  /// "bicubic" or "bilinear".
  package var interpolation: String
  /// Share of the resized side that the input is: timm's `crop_pct`.
  package var cropShare: Double
  package var cropMode: CropMode

  /// Tokens before the patches.
  package var prefixTokens: Int { (hasClassToken ? 1 : 0) + registers }

  /// The tower of this name; a tag of weights behind a dot is ignored. Names of older versions count too, and give the
  /// tower of today's name.
  package static func named(_ name: String) -> TimmTower? {
    let bare = TextKey(bare(name))
    guard let words = rows[formerNames[bare].map { TextKey($0) } ?? bare] else { return nil }
    return TimmTower(words: words)
  }

  /// What a model of timm has instead of a plain vision transformer's parts, in words without a full stop; nil for a
  /// tower of the table and for what timm does not know.
  package static func reason(against name: String) -> String? {
    let bare = bare(name)
    guard rows[TextKey(bare)] == nil, formerNames[TextKey(bare)] == nil else { return nil }
    return refusals.filter { bare.utf8.starts(with: $0.start.utf8) }.max { $0.start.utf8.count < $1.start.utf8.count }?
      .reason
  }

  /// The name without a tag of weights.
  private static func bare(_ name: String) -> Substring { Substring(name.utf8.prefix { $0 != UInt8(ascii: ".") }) }

  /// The name of the table that is nearest to this one.
  package static func nearest(to name: String) -> String? {
    nearestName(to: String(bare(name)), among: names)
  }

  /// All names of towers, in the order of the table.
  package static let names: [String] = lines(TimmTowerTable.towers).map { String($0[0]) }

  private static let rows: [TextKey: [Substring]] = Dictionary(
    lines(TimmTowerTable.towers).map { (TextKey($0[0]), $0) }, uniquingKeysWith: { first, _ in first })

  private static let formerNames: [TextKey: String] = Dictionary(
    lines(TimmTowerTable.formerNames).flatMap { words in words.dropFirst().map { (TextKey($0), String(words[0])) } },
    uniquingKeysWith: { first, _ in first })

  private static let refusals: [(start: Substring, reason: String)] = TimmTowerTable.refusals.split(separator: "\n")
    .flatMap { line in
      let parts = line.split(separator: ":", maxSplits: 1)
      return parts[1].split(separator: " ").map { (start: $0, reason: String(parts[0])) }
    }

  private static func lines(_ table: String) -> [[Substring]] {
    table.split(separator: "\n").map { $0.split(separator: " ") }
  }

  /// Nil for words that are not a row of the table.
  private init?(words: [Substring]) {
    var words = words[...]
    guard words.count >= 12, let kind = Kind(rawValue: String(words[1])) else { return nil }
    name = String(words.removeFirst())
    self.kind = kind
    words.removeFirst()
    func value(_ letter: String) -> Substring? {
      guard words.first?.hasPrefix(letter) == true else { return nil }
      return words.removeFirst().dropFirst(letter.count)
    }
    guard let patchSize = value("p").flatMap({ Int($0) }), let image = value("i").flatMap(Size.init),
      let width = value("w").flatMap({ Int($0) }), let layers = value("l").flatMap({ Int($0) }),
      let heads = value("h").flatMap({ Int($0) }), let mlpWidth = value("m").flatMap({ Int($0) }),
      let classes = value("c").flatMap({ Int($0) }), let pooling = Pooling(rawValue: String(words.removeFirst())),
      let statistics = Self.statistics(words.removeFirst())
    else { return nil }
    let resize = words.removeFirst().split(separator: ":")
    guard resize.count == 3, let share = Double(resize[1]), let mode = CropMode(rawValue: String(resize[2])) else {
      return nil
    }
    (self.patchSize, imageHeight, imageWidth, self.width) = (patchSize, image.height, image.width, width)
    (self.layers, self.heads, self.mlpWidth, self.classes) = (layers, heads, mlpWidth, classes)
    self.pooling = pooling
    (mean, std) = statistics
    (interpolation, cropShare, cropMode) = (String(resize[0]), share, mode)

    // What is as in the first vision transformers goes without a word.
    (activation, gate, qkvBias, epsilon, registers) = (.gelu, nil, .all, 1e-6, 0)
    (rotary, pooler) = (nil, nil)
    for word in words {
      let parts = word.split(separator: ":", maxSplits: 1)
      guard parts.count == 2 else { continue }
      let text = parts[1]
      switch parts[0] {
      case "act":
        guard let activation = Activation(rawValue: String(text)) else { return nil }
        self.activation = activation
      case "gate":
        guard let gate = Gate(rawValue: String(text)) else { return nil }
        self.gate = gate
      case "bias":
        guard let bias = QKVBias(rawValue: String(text)) else { return nil }
        qkvBias = bias
      case "eps":
        guard let epsilon = Float(text) else { return nil }
        self.epsilon = epsilon
      case "reg":
        guard let registers = Int(text) else { return nil }
        self.registers = registers
      case "rope":
        guard let rotary = Rotary(text) else { return nil }
        self.rotary = rotary
      case "pooler":
        let numbers = text.split(separator: ":").compactMap { Int($0) }
        guard numbers.count == 2 else { return nil }
        pooler = Pooler(heads: numbers[0], mlpWidth: numbers[1])
      default: return nil
      }
    }
    var flags = Set(words.filter { !$0.contains(":") })
    func has(_ word: Substring) -> Bool { flags.remove(word) != nil }
    hasFusedQKV = !has("split-qkv")
    hasHiddenNorm = has("mlp-norm")
    hasAttendedNorm = has("attention-norm")
    hasQueryKeyNorm = has("qk-norm")
    hasClassToken = !has("no-class")
    hasPositions = !has("no-positions")
    positionsPatchesOnly = has("patch-positions")
    hasInputNorm = has("input-norm")
    hasPatchBias = !has("no-patch-bias")
    hasLayerScale = has("layer-scale")
    hasFinalNorm = !has("no-norm")
    hasPooledNorm = has("fc-norm")
    poolsPrefix = has("pools-prefix")
    takesAnySize = has("dynamic")
    saysImageSize = has("own-size")
    guard flags.isEmpty else { return nil }
  }

  /// Mean and standard deviation by the table's word for them.
  private static func statistics(_ word: Substring) -> (mean: [Double], std: [Double])? {
    switch word {
    case "half": ([0.5, 0.5, 0.5], [0.5, 0.5, 0.5])
    case "imagenet": ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
    case "clip": ([0.48145466, 0.4578275, 0.40821073], [0.26862954, 0.26130258, 0.27577711])
    case "none": ([0, 0, 0], [1, 1, 1])
    default: nil
    }
  }
}

extension TimmTower.Size {
  /// "224" or "384x512", height first.
  fileprivate init?(_ text: Substring) {
    let sides = text.split(separator: "x").compactMap { Int($0) }
    guard let height = sides.first, let width = sides.last, sides.count <= 2 else { return nil }
    (self.height, self.width) = (height, width)
  }
}

extension TimmTower.Rotary {
  /// "cat:10000:0:ij:16x16:pairs".
  fileprivate init?(_ text: Substring) {
    let parts = text.split(separator: ":")
    guard parts.count == 6, let kind = Kind(rawValue: String(parts[0])), let temperature = Float(parts[1]),
      let offset = Float(parts[2]), ["ij", "xy"].contains(parts[3]), ["half", "pairs"].contains(parts[5])
    else { return nil }
    let reference = TimmTower.Size(parts[4])
    guard reference != nil || parts[4] == "own" else { return nil }
    (self.kind, self.temperature, self.offset) = (kind, temperature, offset)
    (startsWithColumn, referenceGrid, turnsHalves) = (parts[3] == "xy", reference, parts[5] == "half")
  }
}
