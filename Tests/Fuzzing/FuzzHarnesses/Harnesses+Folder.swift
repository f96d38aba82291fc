import Compute
import ImageFiles
import LeGrad
import Tokenizers
import VisionTransformer

extension Harnesses {
  /// Whole model folders: the first byte chooses one of the fixtures and how it is run, and the rest are files in place of
  /// its own, and changes of its weights. What is accepted is run: a prompt is encoded and a picture explained on the CPU.
  static let folder = Harness(
    "folder", maximumLength: 16_384, testRuns: 60,
    words: jsonWords + [
      Sections.mark, "\"model_cfg\"", "\"vision_cfg\"", "\"text_cfg\"", "\"image_size\"", "\"patch_size\"",
      "\"layers\"", "\"hidden_size\"", "\"num_hidden_layers\"", "\"num_attention_heads\"", "\"model_type\"",
      "\"siglip\"", "\"dinov2\"", "\"architecture\"", "\"num_classes\"", "\"id2label\"", "\"image_mean\"",
      "\"image_std\"", "\"crop_size\"", "\"do_resize\"", "\"quick_gelu\"", "\"hidden_act\"", "\"gelu\"",
      "\"embed_dim\"", "\"heads\"", "\"width\"", "\"context_length\"", "\"crop_pct\"", "\"size\"",
      "\"shortest_edge\"", "\"max_num_patches\"", "\"resample\"", "\"bfloat16\"",
    ],
    seeds: {
      var seeds: [[UInt8]] = []
      for (index, base) in bases.enumerated() {
        let names = Set(try FixtureFiles.names(base))
        var files: [(file: Int, bytes: [UInt8])] = []
        for (number, name) in replaced.enumerated() where names.contains(name) {
          files.append((number, try FixtureFiles.bytes(base + "/" + name)))
        }
        files.append((replaced.count, weightChanges))
        for (way, file) in files.enumerated() {
          seeds.append([UInt8(way * bases.count + index)] + Sections.joined([file]))
        }
      }
      return seeds
    },
    reader: { bench in
      var folders: [ModelFolder] = []
      for (index, base) in bases.enumerated() {
        try bench.folder("\(index)")
        var files: [String: [UInt8]] = [:]
        for name in try FixtureFiles.names(base) {
          let bytes = try FixtureFiles.bytes(base + "/" + name)
          try bench.write(bytes, "\(index)/" + name)
          files[name] = bytes
        }
        folders.append(ModelFolder(path: "\(index)/", files: files))
      }
      let picture = try RGBImage.decode(bytes: FixtureFiles.bytes("images/grey8-13x11.png")).image
      let originals = folders
      return { bytes throws(Finding) in
        guard let first = bytes.first.map(Int.init) else { return }
        let folder = originals[first % bases.count]
        let parts = Sections.split(Array(bytes.dropFirst()), count: replaced.count + 1)
        var changed: Set<String> = []
        for part in parts {
          let name = part.file < replaced.count ? replaced[part.file] : folder.weights
          let bytes = part.file < replaced.count ? part.bytes : folder.weights(changedBy: part.bytes)
          try bench.write(bytes, folder.path + name)
          changed.insert(name)
        }
        try open(bench.path + "/" + folder.path, picture, way: first / bases.count)
        for name in changed {
          guard let original = folder.files[name] else {
            bench.remove(folder.path + name)
            continue
          }
          try bench.write(original, folder.path + name)
        }
      }
    })

  /// The hub's cache: what a branch had, and the name that is looked for.
  static let hub = Harness(
    "hub", maximumLength: 512, testRuns: 1_000,
    words: [
      Sections.mark, "hf-hub:", "hf_hub:", "@", "/", "..", "--", "models--", "refs", "main", "refs/heads", "snapshots",
      "0123abcd", "deit/tiny", "\n", "\u{0}", "\u{301}",
    ],
    seeds: {
      ["deit/tiny", "hf-hub:deit/tiny@main", "deit/tiny@0123", "deit/tiny@refs/pr/1", "models--deit--tiny"].map {
        Sections.joined([(0, Array("0123abcd\n".utf8)), (1, Array($0.utf8))])
      }
    },
    reader: { bench in
      let snapshot = try bench.folder("models--deit--tiny/snapshots/0123abcd")
      try bench.folder("models--deit--tiny/snapshots/4567")
      try bench.folder("models--deit--tiny/refs")
      return { bytes throws(Finding) in
        var name = "deit/tiny"
        for part in Sections.split(bytes, count: 2) {
          if part.file == 0 { try bench.write(part.bytes, "models--deit--tiny/refs/main") }
          if part.file == 1 { name = String(decoding: part.bytes, as: UTF8.self) }
        }
        for text in [name, bench.path] {
          let place = try taken { () throws(CheckpointError) in try ModelPlace(text, hubCache: bench.path) }
          guard let place, text.hasPrefix("deit") || text == bench.path else { continue }
          try require(
            place.folder == snapshot || place.folder == bench.path + "/models--deit--tiny/snapshots/4567",
            "\(text.debugDescription) leads to \(place.folder)")
        }
      }
    })

  private static let bases =
    [
      "clip", "clip-hf", "siglip", "families/deit", "families/dinov2", "families/dinov3", "families/pe-core-timm",
      "families/siglip2-naflex", "families/timm-map",
    ].map { $0 + "/model" }

  private static let replaced = [
    "config.json", "open_clip_config.json", "preprocessor_config.json", "tokenizer_config.json",
    "special_tokens_map.json", "vocab.json", "merges.txt", "tokenizer.json", "model.safetensors.index.json",
    "pytorch_model.bin",
  ]

  /// A byte of the header, a lowest bit somewhere, and an exponent of ones.
  private static let weightChanges: [UInt8] = [0x40, 0x00, 0x20, 0x00, 0x81, 0x80, 0x13, 0x92, 0xFF]

  /// Pixels of an input beyond which a model is opened and not run: time and memory of attention grow with the square.
  private static let pixelLimit = 96 * 96

  private static func open(_ folder: String, _ picture: RGBImage, way: Int) throws(Finding) {
    guard let model = try taken({ () throws(LeGradError) in try Model(folder: folder) }) else { return }
    _ = model.summary
    _ = try taken { () throws(LeGradError) in try model.checkText() }
    _ = try taken { () throws(LeGradError) in try model.writtenFiles }
    if let tokenizer = try taken({ () throws(LeGradError) in try model.tokenizer() }) {
      try encoded("a photo of a cat", tokenizer)
    }
    let vision = model.configuration.vision
    guard vision.imageWidth * vision.imageHeight <= pixelLimit else { return }
    try run(model, picture, way: way)
  }

  /// - Parameter way: chooses threads, precision, and what else than LeGrad explains.
  private static func run(_ model: Model, _ picture: RGBImage, way: Int) throws(Finding) {
    var options = Explainer.Options()
    options.device = .cpu
    options.threads = 1 + way % 2
    options.precision = [.f32, .bf16][way / 2 % 2]
    options.pixelStatistics = model.pixelStatistics ?? PixelStatistics(mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5])
    let other = Method.all[(1 + way / 4) % Method.all.count]
    _ = try taken { () throws(LeGradError) in
      let explainer = try Explainer(model, options: options)
      let native = try explainer.prepare(picture, resize: way % 3 == 0 ? .processor : .squash)
      let text: TextEmbeddings
      if let classes = explainer.classes {
        text = try explainer.encode(classes: [classes.count - 1])
      } else if model.configuration.text != nil {
        text = try explainer.encode(["a cat"])
      } else {
        text = try explainer.encode(references: [native], names: ["itself"])
      }
      for method in [.legrad(), other] {
        for explanation in try explainer.explain([native], text: text, methods: [method])[0] {
          _ = explanation.heatmap(prompt: 0)
        }
      }
    }
  }
}

/// A fixture in a workbench.
private struct ModelFolder: Sendable {
  /// Within the workbench.
  let path: String
  let files: [String: [UInt8]]
  let weights: String

  init(path: String, files: [String: [UInt8]]) {
    self.path = path
    self.files = files
    weights = files.keys.first { $0.hasSuffix(".safetensors") } ?? ""
  }

  /// The weights with bytes changed: each change is a place of two bytes and what stands there then. Places in the first
  /// half of their range are in the header, which describes the tensors, others are spread over these.
  func weights(changedBy changes: [UInt8]) -> [UInt8] {
    var bytes = files[weights] ?? []
    guard bytes.count > 8 else { return bytes }
    let header = min(bytes.count, 8 + Int(bytes[0]) + Int(bytes[1]) << 8)
    for start in stride(from: 0, to: changes.count - 2, by: 3) {
      let place = Int(changes[start]) + Int(changes[start + 1]) << 8
      let tensors = bytes.count - header
      let position = place < 1 << 15 ? place % header : header + (place - 1 << 15) * tensors >> 15
      bytes[min(position, bytes.count - 1)] = changes[start + 2]
    }
    return bytes
  }
}
