import Compute
import Failures
import FoundationEssentials
import SafeTensors
import Testing

@testable import VisionTransformer

/// Checkpoints of SigLIP and CoCa.
struct PoolerCheckpointTests {
  @Test func siglipIsRead() throws {
    let checkpoint = try CheckpointTests.golden("siglip")
    let configuration = checkpoint.configuration
    #expect(configuration.layout == .huggingFace && configuration.embeddingWidth == 48)
    #expect(
      configuration.vision
        == VisionConfiguration(
          layers: 4, width: 48, heads: 4, mlpWidth: 100, patchSize: 8, imageHeight: 40, imageWidth: 40,
          activation: .geluTanh, epsilon: 1e-6, pooling: .map, hasClassToken: false, hasInputNorm: false,
          hasPatchBias: true))
    #expect(configuration.vision.tokens == 25)
    #expect(
      configuration.text
        == TextConfiguration(
          contextLength: 16, vocabularySize: 120, width: 48, heads: 3, layers: 2, mlpWidth: 96, activation: .geluTanh,
          epsilon: 1e-6, pooling: .last, isCausal: false, hasProjectionBias: true, tokenization: .siglip))
    var preprocessing = Preprocessing.siglip
    preprocessing.cropsAtFloor = true
    #expect(configuration.preprocessing == preprocessing)
    #expect(checkpoint.ignoredTensors == [])
  }

  @Test func siglipDefaultsFillWhatIsAbsent() throws {
    let folder = try CheckpointFolder()
    try folder.write("{\"model_type\": \"siglip\"}", "config.json")
    let read = try ModelConfiguration.readHuggingFace(folder.path + "/config.json", preprocessor: nil, store: NoTensors()).configuration
    var expected = Architecture.vitB16SigLIP.configuration
    expected.layout = .huggingFace
    expected.preprocessing = Preprocessing(mean: nil, std: nil)
    expected.vision.activation = .geluTanh
    expected.text?.activation = .geluTanh
    #expect(read == expected)
  }

  /// The configuration as it is published.
  @Test func publishedSiglipConfigurationIsRead() throws {
    let folder = try CheckpointFolder()
    try folder.write(
      """
      {"model_cfg": {"embed_dim": 768, "init_logit_bias": -10, "custom_text": true,
        "vision_cfg": {"image_size": 224, "timm_model_name": "vit_base_patch16_siglip_224",
          "timm_model_pretrained": false, "timm_pool": "map", "timm_proj": "none"},
        "text_cfg": {"context_length": 64, "vocab_size": 32000, "hf_tokenizer_name": "timm/ViT-B-16-SigLIP",
          "tokenizer_kwargs": {"clean": "canonicalize"}, "width": 768, "heads": 12, "layers": 12,
          "no_causal_mask": true, "proj_bias": true, "pool_type": "last", "norm_kwargs": {"eps": 1e-6}}},
       "preprocess_cfg": {"mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5], "interpolation": "bicubic",
         "resize_mode": "squash"}}
      """, "open_clip_config.json")
    let read = try ModelConfiguration.readOpenCLIP(
      folder.path + "/open_clip_config.json", store: NoTensors())
    #expect(read.configuration == Architecture.vitB16SigLIP.configuration)
  }

  /// The configuration as it is published.
  @Test func publishedCocaConfigurationIsRead() throws {
    let folder = try CheckpointFolder()
    try folder.write(
      """
      {"model_cfg": {"embed_dim": 768,
        "vision_cfg": {"image_size": 224, "layers": 24, "width": 1024, "patch_size": 14, "attentional_pool": true,
          "attn_pooler_heads": 8, "output_tokens": true},
        "text_cfg": {"context_length": 76, "vocab_size": 49408, "width": 768, "heads": 12, "layers": 12,
          "embed_cls": true, "output_tokens": true},
        "multimodal_cfg": {"context_length": 76, "vocab_size": 49408, "width": 768, "heads": 12, "layers": 12,
          "attn_pooler_heads": 12},
        "custom_text": true},
       "preprocess_cfg": {"mean": [0.48145466, 0.4578275, 0.40821073], "std": [0.26862954, 0.26130258, 0.27577711]}}
      """, "open_clip_config.json")
    let read = try ModelConfiguration.readOpenCLIP(
      folder.path + "/open_clip_config.json", store: NoTensors())
    #expect(read.configuration == Architecture.cocaL14.configuration)
  }

  /// Names and shapes of the published file (methods §9.1).
  @Test func siglipIsStoredAsTimmNamesIt() throws {
    let configuration = Architecture.vitB16SigLIP.configuration
    let names = TowerNames.timm(prefix: "visual.trunk.")
    let stored = configuration.canonicalTensors.flatMap { StoredTensor($0, in: configuration, names: names).parts }
    let shapes = Dictionary(uniqueKeysWithValues: stored.map { ($0.name ?? "", $0.shape) })
    let trunk = "visual.trunk."
    let expected: [(String, [Int])] = [
      (trunk + "patch_embed.proj.weight", [768, 3, 16, 16]), (trunk + "patch_embed.proj.bias", [768]),
      (trunk + "pos_embed", [1, 196, 768]), (trunk + "blocks.11.norm1.weight", [768]),
      (trunk + "blocks.0.norm2.bias", [768]), (trunk + "blocks.0.attn.qkv.weight", [2304, 768]),
      (trunk + "blocks.0.attn.qkv.bias", [2304]), (trunk + "blocks.0.attn.proj.weight", [768, 768]),
      (trunk + "blocks.0.mlp.fc1.weight", [3072, 768]), (trunk + "blocks.0.mlp.fc2.bias", [768]),
      (trunk + "norm.weight", [768]), (trunk + "attn_pool.latent", [1, 1, 768]),
      (trunk + "attn_pool.q.weight", [768, 768]), (trunk + "attn_pool.q.bias", [768]),
      (trunk + "attn_pool.kv.weight", [1536, 768]), (trunk + "attn_pool.kv.bias", [1536]),
      (trunk + "attn_pool.proj.weight", [768, 768]), (trunk + "attn_pool.norm.bias", [768]),
      (trunk + "attn_pool.mlp.fc1.weight", [3072, 768]), (trunk + "attn_pool.mlp.fc2.weight", [768, 3072]),
      ("text.token_embedding.weight", [32000, 768]), ("text.positional_embedding", [64, 768]),
      ("text.transformer.resblocks.3.attn.in_proj_weight", [2304, 768]), ("text.ln_final.weight", [768]),
      ("text.text_projection.weight", [768, 768]), ("text.text_projection.bias", [768]), ("logit_scale", []),
      ("logit_bias", []),
    ]
    for (name, shape) in expected { #expect(shapes[name] == shape, "\(name)") }
    #expect(stored.compactMap(\.name).allSatisfy { $0.hasPrefix(trunk) || $0.hasPrefix("text.") || $0.hasPrefix("logit_") })
  }

  /// A tensor of the tower that is not understood would be left out of the arithmetic.
  @Test func siglipTowersWithMoreAreRefused() throws {
    let folder = try CheckpointFolder()
    for name in ["config.json", "preprocessor_config.json"] { try folder.link("siglip/model/" + name, as: name) }
    try folder.copyWeights(
      from: "siglip/model/model.safetensors", as: "model.safetensors",
      adding: [TensorDescription(name: "vision_model.head.attention.q_norm.weight", shape: [12], elementType: .f32)])
    let error = #expect(throws: CheckpointError.self) { try Checkpoint(folder: folder.path) }
    #expect(error?.rule == .unsupported && error?.place?.contains("q_norm") == true)
  }

  @Test func cocaIsReadAndItsDecoderIgnored() throws {
    let checkpoint = try CheckpointTests.golden("coca")
    let configuration = checkpoint.configuration
    #expect(configuration.vision.pooling == .queries(count: 8, heads: 4) && configuration.vision.hasAttentionPooler)
    #expect(configuration.text?.pooling == .classToken && configuration.text?.positions == 16)
    #expect(!checkpoint.ignoredTensors.isEmpty)
    #expect(checkpoint.ignoredTensors.allSatisfy { $0.hasPrefix("text_decoder.") })
  }

  /// What CoCa's class token sees, by the definition of methods §9.1, also where a word has the id of padding.
  @Test(
    arguments: [
      ([7, 3, 9, 0, 0, 0], [0, 1, 2, 3]), ([7, 0, 9, 0, 0, 0], [0, 1, 3]), ([7, 9, 0, 0, 0, 0], [0, 1, 2]),
      ([7, 3, 3, 3, 3, 9], [0, 1, 2, 3, 4, 5, 6]),
    ] as [([Int32], [Int])])
  func classTokensSeeWhatOpenCLIPShowsThem(ids: [Int32], keys: [Int]) throws {
    let text = TextConfiguration(
      contextLength: 6, width: 4, heads: 1, layers: 1, mlpWidth: 4, pooling: .classToken)
    let batch = TextBatch([ids], configuration: text)
    #expect(batch.classKeys == [keys])
    #expect(batch.tokens == min((keys.last ?? 0), 5) + 2)
    #expect(batch.pooledRows == [batch.tokens - 1])
    #expect(batch.position(of: batch.tokens - 1) == 6)
  }
}
