public import Failures

/// The architectures that random weights can be made for.
public enum Architecture: String, Sendable, CaseIterable {
  case vitB32 = "ViT-B-32"
  case vitB16 = "ViT-B-16"
  case vitL14 = "ViT-L-14"
  case vitH14 = "ViT-H-14"
  case vitBigG14 = "ViT-bigG-14"
  case vitB16SigLIP = "ViT-B-16-SigLIP"
  case cocaB32 = "coca_ViT-B-32"
  case cocaL14 = "coca_ViT-L-14"

  /// The architecture called `name`, in any case.
  /// - Throws: `unknownArchitecture` listing the known ones.
  public init(name: String) throws(CheckpointError) {
    guard let known = Self.allCases.first(where: { $0.rawValue.lowercased() == name.lowercased() }) else {
      throw CheckpointError(
        .unknownArchitecture, file: "architecture", place: "name",
        expected: "one of " + Self.allCases.map(\.rawValue).joined(separator: ", "), found: name,
        remedy: "choose one of these")
    }
    self = known
  }

  /// Sizes as OpenCLIP has them: 224×224 pixels, exact GELU, OpenAI's statistics but for SigLIP.
  public var configuration: ModelConfiguration {
    switch self {
    case .vitB32:
      Self.model(512, vision: (12, 768, 12, 3_072, 32), text: (512, 8, 12))
    case .vitB16:
      Self.model(512, vision: (12, 768, 12, 3_072, 16), text: (512, 8, 12))
    case .vitL14:
      Self.model(768, vision: (24, 1_024, 16, 4_096, 14), text: (768, 12, 12))
    case .vitH14:
      Self.model(1_024, vision: (32, 1_280, 16, 5_120, 14), text: (1_024, 16, 24))
    case .vitBigG14:
      Self.model(1_280, vision: (48, 1_664, 16, 8_192, 14), text: (1_280, 20, 32))
    case .vitB16SigLIP:
      Self.siglip
    case .cocaB32:
      Self.coca(Self.model(512, vision: (12, 768, 12, 3_072, 32), text: (512, 8, 12)))
    case .cocaL14:
      Self.coca(Self.model(768, vision: (24, 1_024, 16, 4_096, 14), text: (768, 12, 12)))
    }
  }

  private static var siglip: ModelConfiguration {
    ModelConfiguration(
      embeddingWidth: 768,
      vision: VisionConfiguration(
        layers: 12, width: 768, heads: 12, mlpWidth: 3_072, patchSize: 16, imageHeight: 224, imageWidth: 224,
        epsilon: 1e-6, pooling: .map, hasClassToken: false, hasInputNorm: false, hasPatchBias: true),
      text: TextConfiguration(
        contextLength: 64, vocabularySize: 32_000, width: 768, heads: 12, layers: 12, mlpWidth: 3_072, epsilon: 1e-6,
        pooling: .last, isCausal: false, hasProjectionBias: true, tokenization: .siglip),
      preprocessing: .siglip, nestsText: true, hasLogitBias: true)
  }

  private static func coca(_ clip: ModelConfiguration) -> ModelConfiguration {
    var coca = clip
    coca.nestsText = true
    coca.vision.pooling = .queries(count: 256, heads: 8)
    coca.text?.pooling = .classToken
    coca.text?.contextLength = 76
    return coca
  }

  private static func model(
    _ embeddingWidth: Int, vision: (layers: Int, width: Int, heads: Int, mlpWidth: Int, patchSize: Int),
    text: (width: Int, heads: Int, layers: Int)
  ) -> ModelConfiguration {
    ModelConfiguration(
      embeddingWidth: embeddingWidth,
      vision: VisionConfiguration(
        layers: vision.layers, width: vision.width, heads: vision.heads, mlpWidth: vision.mlpWidth,
        patchSize: vision.patchSize, imageHeight: 224, imageWidth: 224),
      text: TextConfiguration(width: text.width, heads: text.heads, layers: text.layers, mlpWidth: 4 * text.width),
      preprocessing: .openAI)
  }
}
