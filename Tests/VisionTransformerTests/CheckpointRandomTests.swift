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

  @Test func theVisionTowerOfBigGHasItsPublishedCount() {
    let vision = Architecture.vitBigG14.configuration.canonicalTensors.filter { $0.name.hasPrefix("visual.") }
    #expect(vision.reduce(0) { $0 + $1.elementCount } == 1_844_907_264)
  }

  @Test func architecturesAreFoundByName() throws {
    #expect(try Architecture(name: "vit-bigg-14") == .vitBigG14)
    let error = #expect(throws: CheckpointError.self) { try Architecture(name: "ViT-Z") }
    #expect(error?.rule == .unknownArchitecture)
    #expect(error?.expected.contains("ViT-B-32, ViT-B-16, ViT-L-14, ViT-H-14, ViT-bigG-14") == true)
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
    for configuration in [mixed, pooled] {
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
