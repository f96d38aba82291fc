import Compute
import Failures
import FoundationEssentials
import Testing

@testable import VisionTransformer

struct CheckpointConfigurationTests {
  struct Case: CustomTestStringConvertible, Sendable {
    let testDescription: String
    let kind: CheckpointRule
    /// What the error's place contains.
    let place: String
    let old: String
    let new: String

    init(_ name: String, _ kind: CheckpointRule, _ place: String, _ old: String, _ new: String) {
      testDescription = name
      self.kind = kind
      self.place = place
      self.old = old
      self.new = new
    }
  }

  static let vision = "\"patch_size\": 8"
  static let text = "\"layers\": 2"
  static let model = "\"embed_dim\": 32"
  static let preprocess = "\"preprocess_cfg\": {"

  /// A tower of that name with a pooler.
  static func timm(_ name: String) -> String {
    ", \"timm_model_name\": \"\(name)\", \"timm_pool\": \"map\", \"timm_proj\": \"none\""
  }

  static let openCLIPCases = [
    Case("not JSON", .configuration, "configuration byte", "{\n \"model_cfg\"", "model_cfg"),
    Case("an array", .configuration, "configuration", "{\n \"model_cfg\"", "[]"),
    Case("field twice", .tensorShape, "visual.proj", model, "\"embed_dim\": 32, \"embed_dim\": 64"),
    Case("no model", .configuration, "model_cfg", "\"model_cfg\"", "\"model\""),
    Case("no vision tower", .configuration, "model_cfg.vision_cfg", "\"vision_cfg\"", "\"x\""),
    Case("no embedding width", .configuration, "model_cfg.embed_dim", model, "\"quick_gelu\": false"),
    Case("embedding width zero", .configuration, "model_cfg.embed_dim", model, "\"embed_dim\": 0"),
    Case("negative width", .configuration, "model_cfg.embed_dim", model, "\"embed_dim\": -32"),
    Case("fractional width", .configuration, "model_cfg.embed_dim", model, "\"embed_dim\": 32.0"),
    Case("width as text", .configuration, "model_cfg.embed_dim", model, "\"embed_dim\": \"32\""),
    Case("gigantic width", .configuration, "model_cfg.embed_dim", model, "\"embed_dim\": 9223372036854775807"),
    Case("quick_gelu is a number", .configuration, "model_cfg.quick_gelu", model, model + ", \"quick_gelu\": 1"),
    Case("no layers", .configuration, "vision_cfg.layers", "\"layers\": 4", "\"layers\": 0"),
    Case("too many layers", .configuration, "vision_cfg.layers", "\"layers\": 4", "\"layers\": 1001"),
    Case("heads do not divide", .configuration, "vision heads", "\"head_width\": 16", "\"head_width\": 21"),
    Case("head wider than the width", .configuration, "vision heads", "\"head_width\": 16", "\"head_width\": 65"),
    Case("text heads do not divide", .configuration, "text heads", "\"heads\": 3", "\"heads\": 5"),
    Case("patch does not divide", .tensorShape, "visual.conv1.weight", vision, "\"patch_size\": 7"),
    Case("patch zero", .configuration, "vision_cfg.patch_size", vision, "\"patch_size\": 0"),
    Case(
      "image of three sizes", .configuration, "vision_cfg.image_size", "\"image_size\": 32",
      "\"image_size\": [32, 32, 3]"),
    Case("too many patches", .configuration, "vision tokens", "\"image_size\": 32,", "\"image_size\": 16384,"),
    // To hold it against a name that begins alike would take a minute.
    Case(
      "a pooling of 300,000 marks", .configuration, "vision_cfg.pool_type", vision,
      vision + ", \"pool_type\": \"t\(String(repeating: "\u{301}\u{316}", count: 150_000))\""),
    Case("negative MLP", .configuration, "vision_cfg.mlp_ratio", vision, vision + ", \"mlp_ratio\": -4"),
    Case("MLP ratio beyond numbers", .configuration, "vision_cfg.mlp_ratio", vision, vision + ", \"mlp_ratio\": 1e999"),
    Case("MLP of no width", .configuration, "vision MLP", vision, vision + ", \"mlp_ratio\": 0.001"),
    Case("epsilon zero", .configuration, "norm_kwargs.eps", vision, vision + ", \"norm_kwargs\": {\"eps\": 0}"),
    Case(
      "vocabulary too large", .configuration, "text_cfg.vocab_size", "\"vocab_size\": 774", "\"vocab_size\": 99999999"),
    Case("two means", .configuration, "preprocess_cfg.mean", "0.4578275,", ""),
    Case("std zero", .configuration, "preprocess_cfg.std", "0.26130258", "0"),
    Case("mean as text", .configuration, "preprocess_cfg.mean", "0.4578275", "\"x\""),
    Case(
      "two poolers", .unsupported, "vision_cfg.attentional_pool", vision,
      vision + ", \"attentional_pool\": \"parallel\""),
    Case(
      "pooler of the mean", .unsupported, "vision_cfg.pool_type", vision,
      vision + ", \"attentional_pool\": true, \"pool_type\": \"avg\""),
    Case(
      "pooler heads do not divide", .configuration, "pooler heads", vision,
      vision + ", \"attentional_pool\": true, \"attn_pooler_heads\": 5"),
    Case(
      "no pooler in the weights", .missingTensor, "visual.attn_pool.query", vision,
      vision + ", \"attentional_pool\": true"
    ),
    Case("timm tower", .unsupported, "vision_cfg.timm_model_name", vision, vision + timm("vit")),
    Case(
      "timm tower without an embedding of its width", .configuration, "embedding width", vision,
      vision + timm("vit_base_patch16_siglip_224")),
    Case(
      "timm tower behind convolutions", .unsupported, "vision_cfg.timm_model_name", vision,
      vision + timm("vit_base_mci_224")),
    Case(
      "timm pooling", .unsupported, "vision_cfg.timm_pool", vision,
      vision + ", \"timm_model_name\": \"vit_base_patch16_siglip_224\", \"timm_pool\": \"abs_attn\""),
    Case("pooling", .unsupported, "vision_cfg.pool_type", vision, vision + ", \"pool_type\": \"max\""),
    Case(
      "sinusoidal positions", .unsupported, "vision_cfg.pos_embed_type", vision,
      vision + ", \"pos_embed_type\": \"sin_cos_2d\""),
    Case("ResNet", .unsupported, "vision_cfg.layers", "\"layers\": 4", "\"layers\": [3, 4, 6, 3]"),
    Case("oblong patches", .unsupported, "vision_cfg.patch_size", vision, "\"patch_size\": [8, 16]"),
    Case("unknown option", .unsupported, "vision_cfg.qk_norm", vision, vision + ", \"qk_norm\": true"),
    Case(
      "Hugging Face text tower", .unsupported, "text_cfg.hf_model_name", text, text + ", \"hf_model_name\": \"roberta\""
    ),
    Case("text pooling", .unsupported, "text_cfg.pool_type", text, text + ", \"pool_type\": \"first\""),
    Case(
      "corrected class mask", .unsupported, "text_cfg.correct_cls_mask", text, text + ", \"correct_cls_mask\": true"),
    Case(
      "padding that the class mask does not know", .unsupported, "text_cfg.pad_id", text,
      text + ", \"embed_cls\": true, \"pad_id\": 1"),
    Case(
      "canonicalised byte pairs", .unsupported, "tokenizer_kwargs.clean", text,
      text + ", \"tokenizer_kwargs\": {\"clean\": \"canonicalize\"}"),
    Case("no text class token", .tensorShape, "positional_embedding", text, text + ", \"embed_cls\": true"),
    Case("no projection bias", .missingTensor, "text_projection.weight", text, text + ", \"proj_bias\": true"),
    Case("custom text", .missingTensor, "text.token_embedding.weight", model, model + ", \"custom_text\": true"),
    Case("CoCa", .missingTensor, "text.token_embedding.weight", model, model + ", \"multimodal_cfg\": {}"),
    Case(
      "nearest resampling", .unsupported, "interpolation", preprocess, preprocess + "\"interpolation\": \"nearest\","),
    Case("unknown resize", .unsupported, "resize_mode", preprocess, preprocess + "\"resize_mode\": \"stretch\","),
    Case("grey images", .unsupported, "preprocess_cfg.mode", preprocess, preprocess + "\"mode\": \"L\","),
  ]

  @Test(arguments: openCLIPCases) func faultyOpenCLIPConfigurationsAreNamed(_ faulty: Case) throws {
    let good = try CheckpointFolder.fixtureText("clip/model/open_clip_config.json")
    #expect(good.contains(faulty.old))
    let folder = try CheckpointFolder()
    try folder.link("clip/model/open_clip_model.safetensors", as: "open_clip_model.safetensors")
    try folder.write(good.replacing(faulty.old, with: faulty.new, maxReplacements: 1), "open_clip_config.json")
    let error = self.fault(of: folder)
    #expect(error?.rule == faulty.kind, "\(String(describing: error))")
    #expect(error?.place?.contains(faulty.place) == true, "\(String(describing: error))")
  }

  static let huggingFaceCases = [
    Case("another kind", .unsupported, "model_type", "\"model_type\": \"clip\",", "\"model_type\": \"siglip2\","),
    Case(
      "CLIP's towers as SigLIP's", .unsupported, "vision_config.model_type", "\"model_type\": \"clip\",",
      "\"model_type\": \"siglip\","),
    Case("no model type", .unsupported, "model_type", "\"model_type\": \"clip\",", ""),
    Case("other tower", .unsupported, "vision_config.model_type", "clip_vision_model", "swin"),
    Case("grey images", .unsupported, "vision_config.num_channels", "\"num_channels\": 3", "\"num_channels\": 1"),
    Case("activation", .unsupported, "text_config.hidden_act", "\"hidden_act\": \"gelu\"", "\"hidden_act\": \"relu\""),
    Case(
      "end beyond the vocabulary", .configuration, "end-of-text id", "\"eos_token_id\": 773", "\"eos_token_id\": 774"),
    Case("negative end", .configuration, "text_config.eos_token_id", "\"eos_token_id\": 773", "\"eos_token_id\": -1"),
    Case("heads", .configuration, "vision heads", "\"num_attention_heads\": 4", "\"num_attention_heads\": 5"),
    Case(
      "section is a list", .configuration, "vision_config", "\"vision_config\": {", "\"vision_config\": [], \"x\": {"),
    Case(
      "epsilon as text", .configuration, "layer_norm_eps", "\"layer_norm_eps\": 1e-05", "\"layer_norm_eps\": \"x\""),
  ]

  @Test(arguments: huggingFaceCases) func faultyHuggingFaceConfigurationsAreNamed(_ faulty: Case) throws {
    let good = try CheckpointFolder.fixtureText("clip-hf/model/config.json")
    #expect(good.contains(faulty.old))
    try expectHuggingFaceFailure(
      faulty, config: good.replacing(faulty.old, with: faulty.new, maxReplacements: 1),
      preprocessor: try CheckpointFolder.fixtureText("clip-hf/model/preprocessor_config.json"))
  }

  static let preprocessorCases = [
    Case("nearest", .unsupported, "resample", "\"resample\": 3", "\"resample\": 0"),
    Case("raw values", .unsupported, "do_rescale", "\"do_rescale\": true", "\"do_rescale\": false"),
    Case("no statistics", .unsupported, "do_normalize", "\"do_normalize\": true", "\"do_normalize\": false"),
    Case("scale", .unsupported, "rescale_factor", "0.00392156862745098", "0.00784"),
    Case("size", .unsupported, "size", "\"shortest_edge\"", "\"longest_edge\""),
    Case("std", .configuration, "image_std", "0.26130258", "-0.2"),
    Case("not JSON", .configuration, "configuration byte", "{\"crop_size\"", "{'crop_size'"),
  ]

  @Test(arguments: preprocessorCases) func faultyPreprocessorsAreNamed(_ faulty: Case) throws {
    let good = try CheckpointFolder.fixtureText("clip-hf/model/preprocessor_config.json")
    #expect(good.contains(faulty.old))
    try expectHuggingFaceFailure(
      faulty, config: try CheckpointFolder.fixtureText("clip-hf/model/config.json"),
      preprocessor: good.replacing(faulty.old, with: faulty.new, maxReplacements: 1))
  }

  private func expectHuggingFaceFailure(_ faulty: Case, config: String, preprocessor: String) throws {
    let folder = try CheckpointFolder()
    try folder.link("clip-hf/model/model.safetensors", as: "model.safetensors")
    try folder.write(config, "config.json")
    try folder.write(preprocessor, "preprocessor_config.json")
    let error = self.fault(of: folder)
    #expect(error?.rule == faulty.kind, "\(String(describing: error))")
    #expect(error?.place?.contains(faulty.place) == true, "\(String(describing: error))")
  }

  /// What opening says; a text tower that is not understood is kept for whoever asks for it.
  private func fault(of folder: CheckpointFolder) -> CheckpointError? {
    do { return try Checkpoint(folder: folder.path).textFault } catch { return error }
  }

  @Test func openCLIPDefaultsFillWhatIsAbsent() throws {
    let folder = try CheckpointFolder()
    try folder.write(
      "{\"model_cfg\": {\"embed_dim\": 512, \"vision_cfg\": {}, \"text_cfg\": {}}}", "open_clip_config.json")
    let read = try ModelConfiguration.readOpenCLIP(
      folder.path + "/open_clip_config.json", store: NoTensors()
    ).configuration
    var expected = Architecture.vitB16.configuration
    expected.preprocessing = Preprocessing(mean: nil, std: nil)
    #expect(read == expected)
    #expect(read.preprocessing.interpolation == .bicubic && read.preprocessing.resizeMode == .shortest)
  }

  @Test func openCLIPOptionsAreRead() throws {
    let folder = try CheckpointFolder()
    try folder.write(
      """
      {"model_cfg": {"embed_dim": 1280, "custom_text": false, "init_logit_bias": null,
        "vision_cfg": {"image_size": [224, 448], "layers": 48, "width": 1664, "head_width": 104, "mlp_ratio": 4.9231,
          "patch_size": 14, "patch_dropout": 0.5, "attentional_pool": false, "timm_model_name": null,
          "act_kwargs": {"approximate": "tanh"}, "norm_kwargs": {"eps": 1e-6}},
        "text_cfg": {"width": 1280, "heads": 20, "layers": 32, "mlp_ratio": 3.0, "ls_init_value": 0.1}},
       "preprocess_cfg": {"std": [0.5, 0.5, 0.5], "interpolation": "bilinear", "resize_mode": "squash", "mode": "RGB",
         "size": [224, 448], "fill_color": 0}}
      """, "open_clip_config.json")
    let read = try ModelConfiguration.readOpenCLIP(
      folder.path + "/open_clip_config.json", store: NoTensors())
    #expect(!read.visionLayerScale && read.textLayerScale)
    #expect(
      read.configuration.vision
        == VisionConfiguration(
          layers: 48, width: 1_664, heads: 16, mlpWidth: 8_192, patchSize: 14, imageHeight: 224, imageWidth: 448,
          activation: .geluTanh, epsilon: 1e-6))
    #expect(read.configuration.vision.headWidth == 104 && read.configuration.vision.tokens == 513)
    #expect(read.configuration.text?.mlpWidth == 3_840)
    #expect(
      read.configuration.preprocessing
        == Preprocessing(mean: nil, std: [0.5, 0.5, 0.5], interpolation: .bilinear, resizeMode: .squash))
  }

  @Test func huggingFaceDefaultsFillWhatIsAbsent() throws {
    let folder = try CheckpointFolder()
    try folder.write("{\"model_type\": \"clip\"}", "config.json")
    let read = try ModelConfiguration.readHuggingFace(
      folder.path + "/config.json", preprocessor: nil, store: NoTensors()
    ).configuration
    #expect(
      read.vision
        == VisionConfiguration(
          layers: 12, width: 768, heads: 12, mlpWidth: 3_072, patchSize: 32, imageHeight: 224, imageWidth: 224,
          activation: .quickGELU))
    #expect(
      read.text
        == TextConfiguration(
          width: 512, heads: 8, layers: 12, mlpWidth: 2_048, activation: .quickGELU, pooling: .firstEOT(49_407)))
    #expect(read.embeddingWidth == 512)
    #expect(read.preprocessing.mean == nil && read.preprocessing.std == nil)
  }

  @Test func huggingFaceOptionsAreRead() throws {
    let folder = try CheckpointFolder()
    try folder.write(
      """
      {"model_type": "clip", "projection_dim": 768, "text_config": {"hidden_size": 999}, "text_config_dict": {
        "hidden_size": 768, "num_attention_heads": 12, "hidden_act": "gelu", "eos_token_id": 2},
       "vision_config": {"hidden_act": "gelu_pytorch_tanh", "layer_norm_eps": 1e-6}}
      """, "config.json")
    try folder.write(
      "{\"size\": {\"height\": 224, \"width\": 224}, \"resample\": 2, \"image_mean\": [0.5, 0.5, 0.5]}",
      "preprocessor_config.json")
    let read = try ModelConfiguration.readHuggingFace(
      folder.path + "/config.json", preprocessor: ConfigurationObject(file: folder.path + "/preprocessor_config.json"),
      store: NoTensors()
    ).configuration
    #expect(read.text?.width == 768 && read.text?.pooling == .argmax && read.text?.activation == .gelu)
    #expect(read.vision.activation == .geluTanh && read.vision.epsilon == 1e-6)
    var expected = Preprocessing(mean: [0.5, 0.5, 0.5], std: nil, interpolation: .bilinear, resizeMode: .squash)
    expected.cropsAtFloor = true
    #expect(read.preprocessing == expected)
    try folder.write("{\"size\": 224}", "preprocessor_config.json")
    let old = try ModelConfiguration.readHuggingFace(
      folder.path + "/config.json", preprocessor: ConfigurationObject(file: folder.path + "/preprocessor_config.json"),
      store: NoTensors())
    #expect(old.configuration.preprocessing.resizeMode == .shortest)
  }

  @Test func hugeConfigurationsAreNotRead() throws {
    let folder = try CheckpointFolder()
    try folder.write(String(repeating: " ", count: (64 << 20) + 1), "config.json")
    let error = #expect(throws: CheckpointError.self) {
      try ModelConfiguration.readHuggingFace(folder.path + "/config.json", preprocessor: nil, store: NoTensors())
    }
    #expect(error?.rule == .configuration)
    #expect(error?.place == "file size")
  }
}
