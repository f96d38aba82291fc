import Compute
import Failures
import FoundationEssentials
import SafeTensors
import Testing

@testable import VisionTransformer

struct CheckpointRandomTests {
  @Test(arguments: [
    (Architecture.vitB32, 151_277_313), (.vitB16, 149_620_737), (.vitL14, 427_616_513), (.vitH14, 986_109_441),
    (.vitBigG14, 2_539_567_105), (.vitB16SigLIP, 203_155_970),
    // Without the decoder of captions, which has 208,074,240.
    (.cocaL14, 638_450_177 - 208_074_240),
  ])
  func parameterCountsAreThoseOfThePublishedModels(architecture: Architecture, count: Int) {
    #expect(RandomCheckpoint(architecture).parameterCount == count)
  }

  /// Counts of the modules of timm 1.0.31, transformers 5.24 and OpenCLIP 3.3.0; LayerScale's factors are no tensors
  /// here, a bias of keys is one of zeros where there is none, and DeiT's two heads have one.
  @Test(arguments: [
    ("vit_base_patch16_224", 86_567_656, 0), ("deit_base_distilled_patch16_224", 87_338_192 - 1_000, 0),
    ("dinov2_vitb14_reg", 86_582_784, 12), ("dinov3_vitb16", 85_659_648, 12),
    ("PE-Core-B-16", 447_660_545, 0), ("EVA02-L-14", 427_755_457, 0),
  ])
  func parameterCountsAreThoseOfTheLibraries(name: String, count: Int, scaled: Int) throws {
    let source = RandomCheckpoint(try Architecture(name: name))
    let vision = source.configuration.vision
    let missing = vision.biases.keys ? 0 : vision.layers * vision.width
    #expect(source.parameterCount - missing + scaled * 2 * vision.width == count, "\(name)")
  }

  @Test func theVisionTowerOfBigGHasItsPublishedCount() {
    let vision = Architecture.vitBigG14.configuration.canonicalTensors.filter { $0.name.hasPrefix("visual.") }
    #expect(vision.reduce(0) { $0 + $1.elementCount } == 1_844_907_264)
  }

  @Test func architecturesAreFoundByName() throws {
    #expect(try Architecture(name: "vit-bigg-14") == .vitBigG14)
    let error = #expect(throws: CheckpointError.self) { try Architecture(name: "ViT-Z") }
    #expect(error?.rule == .unknownArchitecture)
    #expect(error?.expected.contains("ViT-B-32, ViT-B-16, ViT-L-14, ViT-H-14, ViT-bigG-14") == true)
    #expect(try Architecture(name: "ViT_Base_Patch16_224").configuration.classes?.count == 1_000)
    for (name, reason) in [
      ("eva02_enormous_patch14_clip_224", "post-norm"),
      ("vit_base_patch16_rope_mixed_224", "learned rotary"),
      ("dinov3_vitb61", "nearest is dinov3_vitb16"),
    ] {
      let error = #expect(throws: CheckpointError.self) { try Architecture(name: name) }
      #expect(error?.found.contains(reason) == true, "\(String(describing: error))")
    }
  }

  /// A small model with every kind of tensor.
  static let small = ModelConfiguration(
    embeddingWidth: 24,
    vision: VisionConfiguration(
      layers: 2, width: 60, heads: 3, mlpWidth: 295, patchSize: 4, imageHeight: 8, imageWidth: 12,
      activation: .quickGELU,
      epsilon: 1e-6),
    text: TextConfiguration(
      contextLength: 7, vocabularySize: 101, width: 36, heads: 2, layers: 1, mlpWidth: 108, activation: .quickGELU),
    preprocessing: Preprocessing(
      mean: [0.1, 0.2, 0.3], std: [0.4, 0.5, 0.6], interpolation: .bilinear, resizeMode: .squash))

  @Test func valuesDependOnSeedNameAndPlaceAlone() throws {
    let source = RandomCheckpoint(.vitB16, seed: 7)
    let name = "visual.transformer.resblocks.3.attn.in_proj_weight"
    let values = try source.floats(name)
    // Computed apart from this code, from the definition of SplitMix64 and FNV-1a.
    let expected: [(Int, Float)] = [
      (0, -0.0193901063), (1, 0.0278997423), (2, -0.000589370731), (1_769_471, -0.0225610734),
    ]
    for (index, value) in expected { #expect(abs(values[index] - value) <= 1e-8) }
    #expect(try RandomCheckpoint(.vitB16, seed: 7).floats(name) == values)
    #expect(try RandomCheckpoint(.vitB16, seed: 8).floats(name) != values)
    #expect(try source.floats("visual.transformer.resblocks.4.attn.in_proj_weight") != values)
  }

  @Test func valuesHaveTheScaleOfTheInitialisation() throws {
    let source = RandomCheckpoint(.vitB32, seed: 1)
    let expected: [(String, Double, Double)] = [
      ("visual.transformer.resblocks.0.attn.in_proj_weight", 0, 1 / 768.0.squareRoot()),
      ("visual.transformer.resblocks.11.mlp.c_proj.weight", 0, 1 / (24.0 * 768).squareRoot()),
      ("transformer.resblocks.0.mlp.c_fc.weight", 0, 1 / 1024.0.squareRoot()),
      ("visual.conv1.weight", 0, 1 / (3.0 * 3072).squareRoot()),
      ("positional_embedding", 0, 0.01),
      ("visual.transformer.resblocks.0.mlp.c_fc.bias", 0, 0.02),
      ("visual.ln_pre.weight", 1, 0.02),
    ]
    for (name, mean, deviation) in expected {
      let values = try source.floats(name).map(Double.init)
      let count = Double(values.count)
      let found = values.reduce(0, +) / count
      let spread = (values.reduce(0) { $0 + ($1 - found) * ($1 - found) } / count).squareRoot()
      #expect(abs(found - mean) < 5 * deviation / count.squareRoot(), "\(name)")
      #expect(abs(spread / deviation - 1) < 4 / count.squareRoot(), "\(name)")
      // Neighbours are independent.
      let product = zip(values, values.dropFirst()).reduce(0) { $0 + ($1.0 - found) * ($1.1 - found) }
      #expect(abs(product / count / (deviation * deviation)) < 5 / count.squareRoot(), "\(name)")
    }
    #expect(try source.floats("logit_scale") == [2.6592601])
  }

  @Test func rowsAreThoseOfTheTable() throws {
    let source = RandomCheckpoint(configuration: Self.small, seed: 3)
    let table = try source.floats("token_embedding.weight")
    let ids = [100, 0, 0, 57]
    #expect(try source.tokenEmbeddingRows(ids: ids) == ids.flatMap { Array(table[$0 * 36..<($0 + 1) * 36]) })
    #expect(throws: CheckpointError.self) { try source.tokenEmbeddingRows(ids: [101]) }
    #expect(throws: CheckpointError.self) { try source.floats("absent") }
  }

  /// SigLIP's kind of tower, small.
  static let siglip = ModelConfiguration(
    embeddingWidth: 24,
    vision: VisionConfiguration(
      layers: 2, width: 24, heads: 3, mlpWidth: 50, patchSize: 4, imageHeight: 8, imageWidth: 12,
      activation: .geluTanh, epsilon: 1e-6, pooling: .map, hasClassToken: false, hasInputNorm: false,
      hasPatchBias: true),
    text: TextConfiguration(
      contextLength: 7, vocabularySize: 101, width: 36, heads: 2, layers: 1, mlpWidth: 108, activation: .geluTanh,
      epsilon: 1e-6, pooling: .last, isCausal: false, hasProjectionBias: true, tokenization: .siglip),
    preprocessing: .siglip, nestsText: true, hasLogitBias: true)

  /// CoCa's kind of tower, small, with tokens of that width.
  static func coca(width: Int) -> ModelConfiguration {
    var coca = small
    coca.nestsText = true
    coca.vision.width = width
    coca.vision.heads = 3
    coca.vision.pooling = .queries(count: 5, heads: 4)
    coca.text?.pooling = .classToken
    return coca
  }

  /// A tower that pools its patches.
  static func pooling(_ pooling: VisionConfiguration.Pooling, normsAfterPooling: Bool) -> ModelConfiguration {
    var model = small
    model.vision.pooling = pooling
    model.vision.normsAfterPooling = normsAfterPooling
    model.vision.hasInputNorm = false
    return model
  }

  static let kinds = [
    small, siglip, coca(width: 60), coca(width: 24), pooling(.average, normsAfterPooling: true),
    pooling(.average, normsAfterPooling: false), pooling(.unpooled, normsAfterPooling: false),
  ]

  static let architectures = Architecture.own.map(\.name) + TimmTower.names

  /// With the sizes of its name, which then says all.
  @Test(arguments: architectures) func everyArchitectureCanBeSaid(name: String) throws {
    let configuration = try Architecture(name: name).configuration
    let files = try ModelWriter.files(of: configuration)
    #expect(files.count == (configuration.layout == .huggingFace ? 3 : 2))
  }

  /// Sizes that no model of the library has are said beside the name, and numbers come back to the last bit.
  @Test(arguments: architectures) func aNarrowTowerReadsBackFromItsLibrarysFolder(name: String) throws {
    var configuration = try Architecture(name: name).configuration
    let parts = configuration.embeddingWidth / configuration.vision.width
    configuration.vision.layers = 2
    (configuration.vision.width, configuration.vision.heads, configuration.vision.mlpWidth) = (48, 4, 72)
    // The heads of timm's `Eva` are not those of its pooler.
    let isEva = configuration.vision.pooling == .map && configuration.vision.rotary != nil
    configuration.vision.poolerHeads = isEva ? 8 : 4
    configuration.vision.poolerMLPWidth = configuration.layout == .huggingFace ? 192 : 72
    configuration.embeddingWidth = configuration.vision.hasProjection ? 24 : max(parts, 1) * 48
    configuration.classes = configuration.classes.map { Array($0.prefix(5)) }
    if case .queries = configuration.vision.pooling {
      (configuration.vision.poolerHeads, configuration.vision.pooling) = (4, .queries(count: 3, heads: 8))
    }
    if var text = configuration.text {
      (text.layers, text.width, text.heads, text.mlpWidth, text.vocabularySize) = (1, 48, 4, 100, 300)
      configuration.text = text
    }
    let folder = try CheckpointFolder()
    let source = RandomCheckpoint(configuration: configuration, seed: 9)
    try ModelWriter.write(source, to: folder.path)
    #expect(try folder.listing.sorted() == ModelWriter.files(of: configuration).sorted())
    let checkpoint = try Checkpoint(folder: folder.path)
    #expect(checkpoint.configuration == configuration)
    #expect(checkpoint.ignoredTensors == [])
    for tensor in source.tensors {
      #expect(try checkpoint.floats(tensor.name) == source.floats(tensor.name), "\(tensor.name)")
    }
  }

  /// Where the name says the patches' alone.
  @Test func aMeanOfAllTokensIsSaid() throws {
    var configuration = try Architecture(name: "vit_base_patch16_224").configuration
    configuration.vision.layers = 1
    (configuration.vision.pooling, configuration.vision.blockScore) = (.average, .ownPooling)
    configuration.vision.averagesLeadingTokens = true
    let folder = try CheckpointFolder()
    try ModelWriter.write(RandomCheckpoint(configuration: configuration, seed: 9), to: folder.path)
    #expect(try Checkpoint(folder: folder.path).configuration == configuration)
  }

  @Test func whatIsNewHasTheScaleOfWhatItIs() throws {
    let source = RandomCheckpoint(try Architecture(name: "dinov3_vits16plus"), seed: 1)
    let block = "visual.transformer.resblocks.3."
    let bias = try source.floats(block + "attn.in_proj_bias")
    #expect(bias[384..<768].allSatisfy { $0 == 0 } && !bias[..<384].contains(0) && !bias[768...].contains(0))
    let classifier = RandomCheckpoint(try Architecture(name: "eva02_large_patch14_448"), seed: 1)
    for (model, name, mean, deviation) in [
      (source, block + "mlp.c_fc.weight", 0.0, 1 / 384.0.squareRoot()),
      (source, "visual.registers", 0, 1 / 384.0.squareRoot()),
      (classifier, "head.weight", 0, 1 / 32), (classifier, block + "mlp.ln_out.weight", 1, 0.02),
    ] {
      let values = try model.floats(name).map(Double.init)
      let found = values.reduce(0, +) / Double(values.count)
      let spread = (values.reduce(0) { $0 + ($1 - found) * ($1 - found) } / Double(values.count)).squareRoot()
      let slack = 5 / Double(values.count).squareRoot()
      #expect(abs(found - mean) < slack * deviation && abs(spread / deviation - 1) < slack, "\(name)")
    }
  }

  @Test(arguments: [ElementType.f32, .f16, .bf16], kinds)
  func whatIsWrittenReadsBack(type: ElementType, configuration: ModelConfiguration) throws {
    let folder = try CheckpointFolder()
    let path = folder.path + "/new/model"
    let source = RandomCheckpoint(configuration: configuration, seed: 5)
    try ModelWriter.write(source, to: path, elementType: type)
    let checkpoint = try Checkpoint(folder: path)
    #expect(checkpoint.configuration == configuration)
    #expect(checkpoint.ignoredTensors == [])
    #expect(checkpoint.parameterCount == source.parameterCount)
    #expect(checkpoint.storageTypes == [type: source.parameterCount])
    for tensor in source.tensors {
      let values = try source.floats(tensor.name)
      let read = try checkpoint.floats(tensor.name)
      switch type {
      case .f32: #expect(read == values)
      case .f16: #expect(read == values.map { Float(Float16($0)) })
      default: #expect(zip(read, values).allSatisfy { abs($0 - $1) <= abs($1) / 256 })
      }
    }
    #expect(
      try FileManager.default.contentsOfDirectory(atPath: path).sorted() == [
        "open_clip_config.json", "open_clip_model.safetensors",
      ])
  }

  /// It would be read in place of what is written.
  @Test(arguments: [true, false]) func aFolderWithAnotherLayoutsModelIsRefused(overwrite: Bool) throws {
    let folder = try CheckpointFolder()
    try folder.write("{}", "config.json")
    let source = try CheckpointTests.golden("clip")
    let error = #expect(throws: CheckpointError.self) {
      try ModelWriter.write(source, to: folder.path, overwrite: overwrite)
    }
    #expect(error?.rule == .exists && error?.file.hasSuffix("/config.json") == true, "\(String(describing: error))")
    #expect(try folder.listing == ["config.json"])
  }

  @Test(arguments: ["clip", "clip-hf-sharded", "clip-odd", "siglip", "coca"]) func anyModelCanBeWrittenAnew(
    name: String
  ) throws {
    let folder = try CheckpointFolder()
    let source = try CheckpointTests.golden(name)
    try ModelWriter.write(source, to: folder.path)
    let copy = try Checkpoint(folder: folder.path)
    var configuration = source.configuration
    configuration.layout = .openCLIP
    configuration.preprocessing.cropsAtFloor = false
    if case .firstEOT? = configuration.text?.pooling { configuration.text?.pooling = .argmax }
    #expect(copy.configuration == configuration)
    for tensor in source.tensors { #expect(try copy.floats(tensor.name) == source.floats(tensor.name)) }
  }

  @Test func aModelIsReplacedOnlyWhenAsked() throws {
    let folder = try CheckpointFolder()
    try ModelWriter.write(RandomCheckpoint(configuration: Self.small, seed: 1), to: folder.path)
    let other = RandomCheckpoint(configuration: Self.small, seed: 2)
    let error = #expect(throws: CheckpointError.self) { try ModelWriter.write(other, to: folder.path) }
    #expect(error?.rule == .exists)
    #expect(
      try Checkpoint(folder: folder.path).floats("visual.proj")
        == RandomCheckpoint(configuration: Self.small, seed: 1).floats("visual.proj"))
    try ModelWriter.write(other, to: folder.path, overwrite: true)
    #expect(try Checkpoint(folder: folder.path).floats("visual.proj") == other.floats("visual.proj"))
  }

  @Test func whatTheLayoutCannotSayIsRefused() throws {
    let folder = try CheckpointFolder()
    var mixed = Self.small
    mixed.text?.activation = .gelu
    var pooled = Self.small
    pooled.text?.pooling = .firstEOT(3)
    var classifier = Self.small
    classifier.classes = ["a", "b"]
    var turned = try Architecture(name: "vit_base_patch16_rope_224").configuration
    turned.vision.rotary?.theta = 77
    for configuration in [mixed, pooled, classifier, turned] {
      let error = #expect(throws: CheckpointError.self) {
        try ModelWriter.write(RandomCheckpoint(configuration: configuration), to: folder.path)
      }
      #expect(error?.rule == .unsupported)
    }
    let type = #expect(throws: CheckpointError.self) {
      try ModelWriter.write(RandomCheckpoint(configuration: Self.small), to: folder.path, elementType: .f64)
    }
    #expect(type?.rule == .weights(.elementType))
    try folder.write("", "file")
    let place = #expect(throws: CheckpointError.self) {
      try ModelWriter.write(RandomCheckpoint(configuration: Self.small), to: folder.path + "/file/x")
    }
    #expect(place?.rule == .cannotWrite)
    #expect(try folder.listing == ["file"])
  }
}
