import Compute
public import Failures

/// An architecture that random weights can be made for, as one library has it: of OpenCLIP's by its names, of
/// transformers' by those of the models that are published for it, and of timm's every plain vision transformer.
public struct Architecture: Sendable, Equatable {
  public let name: String
  public let configuration: ModelConfiguration

  /// The architecture called `name`, in any case.
  /// - Throws: `unknownArchitecture` listing the known ones.
  public init(name: String) throws(CheckpointError) {
    let sought = name.lowercased()
    if let known = Self.own.first(where: { $0.name.lowercased() == sought }) {
      self = known
      return
    }
    func failure(found: String) -> CheckpointError {
      CheckpointError(
        .unknownArchitecture, file: "architecture", place: "name", expected: "one of \(Self.names)", found: found,
        remedy: "choose one of these")
    }
    guard let tower = TimmTower.named(sought) else {
      let nearest = nearestName(to: sought, among: Self.own.map(\.name) + TimmTower.names)
      let reason = TimmTower.reason(against: sought) ?? nearest.map { "nearest is \($0)" }
      throw failure(found: name + (reason.map { " (\($0))" } ?? ""))
    }
    var configuration = tower.ownConfiguration
    if tower.classes > 0 { configuration.takeHead(of: tower, rows: tower.classes, hasBias: true, labels: nil) }
    self.init(name, configuration)
  }

  private init(_ name: String, _ configuration: ModelConfiguration) {
    self.name = name
    self.configuration = configuration
  }

  /// What can be chosen, in words.
  public static let names =
    own.map(\.name).joined(separator: ", ") + ", or a plain vision transformer of timm by its name"

  /// Those that are not timm's own.
  static let own: [Architecture] = openCLIP + huggingFace
}

// MARK: OpenCLIP

extension Architecture {
  public static let vitB32 = clip("ViT-B-32", 512, vision: (12, 768, 12, 3_072, 32), text: (512, 8, 12))
  public static let vitB16 = clip("ViT-B-16", 512, vision: (12, 768, 12, 3_072, 16), text: (512, 8, 12))
  public static let vitL14 = clip("ViT-L-14", 768, vision: (24, 1_024, 16, 4_096, 14), text: (768, 12, 12))
  public static let vitH14 = clip("ViT-H-14", 1_024, vision: (32, 1_280, 16, 5_120, 14), text: (1_024, 16, 24))
  public static let vitBigG14 = clip("ViT-bigG-14", 1_280, vision: (48, 1_664, 16, 8_192, 14), text: (1_280, 20, 32))
  public static let vitB16SigLIP = siglip("ViT-B-16-SigLIP", "vit_base_patch16_siglip_224", siglipText())
  public static let cocaB32 = coca("coca_ViT-B-32", vitB32)
  public static let cocaL14 = coca("coca_ViT-L-14", vitL14)

  /// As in OpenCLIP 3.3.0: its own towers have exact GELU, and how pictures are prepared is as in its published weights.
  private static let openCLIP: [Architecture] = [
    vitB32, vitB16, vitL14, vitH14, vitBigG14, vitB16SigLIP, cocaB32, cocaL14,
    siglip(
      "ViT-B-16-SigLIP2", "vit_base_patch16_siglip_224",
      siglipText(vocabularySize: 256_000, activation: .geluTanh)),
    siglip(
      "ViT-SO400M-14-SigLIP-384", "vit_so400m_patch14_siglip_384",
      siglipText(width: 1_152, heads: 16, layers: 27, mlpWidth: 4_304)),
    pe("PE-Core-B-16", "vit_pe_core_base_patch16_224"),
    pe("PE-Core-L-14-336", "vit_pe_core_large_patch14_336"),
    trunk("EVA02-B-16", "eva02_base_patch16_clip_224", 512, TextConfiguration(width: 512, heads: 8, layers: 12)),
    trunk("EVA02-L-14", "eva02_large_patch14_clip_224", 768, TextConfiguration(width: 768, heads: 12, layers: 12)),
  ]

  private static func pe(_ name: String, _ tower: String) -> Architecture {
    let text = TextConfiguration(contextLength: 32, width: 1_024, heads: 16, layers: 24)
    var model = trunk(name, tower, text.width, text).configuration
    model.preprocessing = .siglip
    model.preprocessing.interpolation = .bilinear
    return Architecture(name, model)
  }

  private static func siglipText(
    vocabularySize: Int = 32_000, width: Int = 768, heads: Int = 12, layers: Int = 12, mlpWidth: Int = 3_072,
    activation: Activation = .gelu
  ) -> TextConfiguration {
    TextConfiguration(
      contextLength: 64, vocabularySize: vocabularySize, width: width, heads: heads, layers: layers,
      mlpWidth: mlpWidth, activation: activation, epsilon: 1e-6, pooling: .last, isCausal: false,
      hasProjectionBias: true, tokenization: .siglip)
  }

  private static func siglip(_ name: String, _ tower: String, _ text: TextConfiguration) -> Architecture {
    var model = trunk(name, tower, text.width, text, projects: false).configuration
    model.preprocessing = .siglip
    model.hasLogitBias = true
    return Architecture(name, model)
  }

  /// - Parameter projects: whether timm's `head` projects to the space of the texts.
  private static func trunk(
    _ name: String, _ tower: String, _ embeddingWidth: Int, _ text: TextConfiguration, projects: Bool = true
  ) -> Architecture {
    guard let tower = TimmTower.named(tower) else { preconditionFailure("\(tower) is a tower of timm") }
    var vision = tower.ownConfiguration.vision
    (vision.hasProjection, vision.hasProjectionBias) = (projects, projects)
    return Architecture(
      name,
      ModelConfiguration(
        embeddingWidth: embeddingWidth, vision: vision, text: text, preprocessing: .openAI, nestsText: true))
  }

  private static func coca(_ name: String, _ clip: Architecture) -> Architecture {
    var coca = clip.configuration
    coca.nestsText = true
    coca.vision.pooling = .queries(count: 256, heads: 8)
    coca.text?.pooling = .classToken
    coca.text?.contextLength = 76
    return Architecture(name, coca)
  }

  private static func clip(
    _ name: String, _ embeddingWidth: Int,
    vision: (layers: Int, width: Int, heads: Int, mlpWidth: Int, patchSize: Int),
    text: (width: Int, heads: Int, layers: Int)
  ) -> Architecture {
    Architecture(
      name,
      ModelConfiguration(
        embeddingWidth: embeddingWidth,
        vision: VisionConfiguration(
          layers: vision.layers, width: vision.width, heads: vision.heads, mlpWidth: vision.mlpWidth,
          patchSize: vision.patchSize, imageHeight: 224, imageWidth: 224),
        text: TextConfiguration(width: text.width, heads: text.heads, layers: text.layers),
        preprocessing: .openAI))
  }
}

extension TextConfiguration {
  /// A text tower of CLIP's kind, whose MLPs are four times as wide as its tokens.
  fileprivate init(contextLength: Int = 77, width: Int, heads: Int, layers: Int) {
    self.init(contextLength: contextLength, width: width, heads: heads, layers: layers, mlpWidth: 4 * width)
  }
}

// MARK: transformers

extension Architecture {
  /// By the names of google's, facebookresearch's and PyTorch Hub's models.
  private static let huggingFace: [Architecture] = [
    vit("vit-base-patch16-224", base), vit("vit-large-patch16-224", large),
    distilled("deit_tiny_distilled_patch16_224", (12, 192, 3)),
    distilled("deit_small_distilled_patch16_224", small), distilled("deit_base_distilled_patch16_224", base),
    dinov2("dinov2_vits14", small), dinov2("dinov2_vits14_reg", small, registers: 4),
    dinov2("dinov2_vitb14", base), dinov2("dinov2_vitb14_reg", base, registers: 4),
    dinov2("dinov2_vitl14", large), dinov2("dinov2_vitl14_reg", large, registers: 4),
    dinov2("dinov2_vitg14", giant, isGated: true), dinov2("dinov2_vitg14_reg", giant, registers: 4, isGated: true),
    dinov3("dinov3_vits16", small, 1_536), dinov3("dinov3_vits16plus", small, 1_536, isGated: true),
    dinov3("dinov3_vitb16", base, 3_072), dinov3("dinov3_vitl16", large, 4_096),
    dinov3("dinov3_vith16plus", (32, 1_280, 20), 5_120, isGated: true),
  ]

  private typealias Sizes = (layers: Int, width: Int, heads: Int)

  private static let small: Sizes = (12, 384, 6)
  private static let base: Sizes = (12, 768, 12)
  private static let large: Sizes = (24, 1_024, 16)
  private static let giant: Sizes = (40, 1_536, 24)

  private static func huggingFace(
    _ name: String, _ vision: VisionConfiguration, parts: Int = 1, classes: Int, _ preprocessing: Preprocessing
  ) -> Architecture {
    var (vision, preprocessing) = (vision, preprocessing)
    vision.hasProjection = false
    preprocessing.cropsAtFloor = true
    return Architecture(
      name,
      ModelConfiguration(
        embeddingWidth: parts * vision.width, vision: vision, text: nil, preprocessing: preprocessing,
        layout: .huggingFace, classes: classes == 0 ? nil : ModelConfiguration.unnamedLabels(classes)))
  }

  private static func tower(
    _ sizes: Sizes, patchSize: Int = 16, imageSize: Int = 224, epsilon: Float
  ) -> VisionConfiguration {
    VisionConfiguration(
      layers: sizes.layers, width: sizes.width, heads: sizes.heads, mlpWidth: 4 * sizes.width,
      patchSize: patchSize, imageHeight: imageSize, imageWidth: imageSize, epsilon: epsilon, hasInputNorm: false,
      hasPatchBias: true)
  }

  private static func vit(_ name: String, _ sizes: Sizes) -> Architecture {
    var vision = tower(sizes, epsilon: 1e-12)
    vision.positions?.resampling = .bicubic(antialias: false)
    return huggingFace(
      name, vision, classes: 1_000,
      Preprocessing(mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5], interpolation: .bilinear, resizeMode: .squash))
  }

  /// With a teacher's token and head.
  private static func distilled(_ name: String, _ sizes: Sizes) -> Architecture {
    var vision = tower(sizes, epsilon: 1e-12)
    vision.registers = 1
    vision.positions?.leadingRows = 2
    vision.positions?.resampling = .bicubic(antialias: false)
    vision.pooling = .classAndDistillation
    var preprocessing = Preprocessing.imageNet
    preprocessing.resizeMode = .squash
    preprocessing.resized = .init(height: 256, width: 256)
    return huggingFace(name, vision, parts: 2, classes: 1_000, preprocessing)
  }

  private static func dinov2(
    _ name: String, _ sizes: Sizes, registers: Int = 0, isGated: Bool = false
  ) -> Architecture {
    var vision = tower(sizes, patchSize: 14, imageSize: 518, epsilon: 1e-6)
    // A gate is paid for with a third of the width.
    if isGated { vision.mlpWidth = vision.mlpWidth * 2 / 3 }
    vision.mlp = isGated ? .gated : .plain
    vision.activation = isGated ? .silu : .gelu
    vision.registers = registers
    vision.positions?.resampling = .bicubic(antialias: registers > 0)
    return huggingFace(name, vision, classes: 0, .imageNet)
  }

  private static func dinov3(_ name: String, _ sizes: Sizes, _ mlpWidth: Int, isGated: Bool = false) -> Architecture {
    var vision = tower(sizes, epsilon: 1e-5)
    vision.mlpWidth = mlpWidth
    vision.mlp = isGated ? .gated : .plain
    vision.activation = isGated ? .silu : .gelu
    vision.biases.keys = false
    vision.registers = 4
    vision.positions = nil
    vision.rotary = RotaryPositions(.centres, theta: 100, pairing: .halves)
    var preprocessing = Preprocessing.imageNet
    (preprocessing.interpolation, preprocessing.resizeMode) = (.bilinear, .squash)
    preprocessing.resizesNumbers = true
    return huggingFace(name, vision, classes: 0, preprocessing)
  }
}

extension Preprocessing {
  fileprivate static let imageNet = Preprocessing(mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225])
}

// MARK: timm

extension TimmTower {
  /// The tower without a head.
  fileprivate var ownConfiguration: ModelConfiguration {
    let size = (height: imageHeight, width: imageWidth)
    var vision = read(
      prefix: "", imageHeight: size.height, imageWidth: size.width, table: size, normsAfterPooling: hasPooledNorm
    ).vision
    vision.hasProjection = false
    return ModelConfiguration(
      embeddingWidth: width, vision: vision, text: nil,
      preprocessing: Preprocessing(self, height: imageHeight, width: imageWidth), layout: .timm)
  }
}
