import Compute
import Failures
import StrictJSON

extension ModelConfiguration {
  /// The vision tower of a SigLIP model, which OpenCLIP takes from timm by name. Sizes that the object gives win over
  /// those of the name, so that towers without a name in timm can be said too.
  static func timmVision(
    _ object: ConfigurationObject, name: String
  ) throws(CheckpointError) -> VisionConfiguration {
    let known = SigLIPTower(name: name)
    guard name.contains("siglip"), !name.contains("gap"),
      known != nil || ["width", "layers", "patch_size"].allSatisfy({ object.value($0) != nil })
    else {
      throw object.unsupported(
        "timm_model_name", expected: SigLIPTower.pattern, found: name)
    }
    // OpenCLIP's own defaults are another pooling and a projection.
    for (key, expected) in [("timm_pool", "map"), ("timm_proj", "none")] where object.value(key) != .string(expected) {
      throw object.unsupported(key, expected: expected, found: object.value(key)?.summary ?? "nothing")
    }
    try object.refuseOptions(except: [
      "layers", "width", "head_width", "mlp_ratio", "patch_size", "image_size", "act_kwargs", "timm_model_name",
      "timm_model_pretrained", "timm_pool", "timm_proj", "timm_proj_bias", "timm_drop", "timm_drop_path",
    ])
    let sizes = known ?? SigLIPTower(layers: 12, width: 768, patchSize: 16, imageSize: 224)
    let width = try object.integer("width", default: sizes.width, in: ConfigurationRange.width)
    let headWidth = try object.integer("head_width", default: 64, in: ConfigurationRange.width)
    let image = try object.size("image_size", default: sizes.imageSize, in: ConfigurationRange.imageSize)
    return VisionConfiguration(
      layers: try object.integer("layers", default: sizes.layers, in: ConfigurationRange.layers), width: width,
      heads: width / headWidth, mlpWidth: try openCLIPMLPWidth(object, width: width),
      patchSize: try object.integer("patch_size", default: sizes.patchSize, in: ConfigurationRange.patchSize),
      imageHeight: image.height, imageWidth: image.width,
      activation: try openCLIPActivation(object, quickGELU: false), epsilon: 1e-6, pooling: .map, hasClassToken: false,
      hasInputNorm: false, hasPatchBias: true)
  }
}

/// What the name of a SigLIP tower in timm says.
struct SigLIPTower: Equatable {
  let layers: Int
  let width: Int
  let patchSize: Int
  let imageSize: Int

  static let pattern = "vit_base_patch16_siglip_SIZE or vit_large_patch16_siglip_SIZE"

  init(layers: Int, width: Int, patchSize: Int, imageSize: Int) {
    self.layers = layers
    self.width = width
    self.patchSize = patchSize
    self.imageSize = imageSize
  }

  /// Nil for any other name. A tag of pretrained weights may follow a dot.
  init?(name: String) {
    let parts = name.prefix { $0 != "." }.split(separator: "_", omittingEmptySubsequences: false)
    guard parts.count == 5, parts[0] == "vit", parts[2] == "patch16", parts[3] == "siglip",
      let size = Int(parts[4]), ConfigurationRange.imageSize.contains(size)
    else { return nil }
    switch parts[1] {
    case "base": self.init(layers: 12, width: 768, patchSize: 16, imageSize: size)
    case "large": self.init(layers: 24, width: 1_024, patchSize: 16, imageSize: size)
    default: return nil
    }
  }

  /// The name of a tower with these sizes; one that timm does not know for other sizes.
  static func name(of vision: VisionConfiguration) -> String {
    let size =
      switch (vision.layers, vision.width, vision.patchSize) {
      case (12, 768, 16): "_base"
      case (24, 1_024, 16): "_large"
      default: ""
      }
    return "vit\(size)_patch\(vision.patchSize)_siglip_\(vision.imageHeight)"
  }
}
