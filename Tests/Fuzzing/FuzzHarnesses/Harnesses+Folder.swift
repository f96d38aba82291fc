import LeGrad
import Tokenizers

extension Harnesses {
  /// Whole model folders: the first byte chooses one of the fixtures, whose weights stay, and the rest are files in place
  /// of its others.
  static let folder = Harness(
    "folder", maximumLength: 8_192, testRuns: 500,
    words: jsonWords + [
      Sections.mark, "\"model_cfg\"", "\"vision_cfg\"", "\"text_cfg\"", "\"image_size\"", "\"patch_size\"",
      "\"layers\"",
      "\"hidden_size\"", "\"num_hidden_layers\"", "\"num_attention_heads\"", "\"model_type\"", "\"siglip\"",
      "\"dinov2\"",
      "\"architecture\"", "\"num_classes\"", "\"id2label\"", "\"image_mean\"", "\"image_std\"", "\"crop_size\"",
      "\"do_resize\"",
      "\"quick_gelu\"", "\"hidden_act\"", "\"gelu\"", "\"embed_dim\"", "\"heads\"", "\"width\"", "\"context_length\"",
    ],
    seeds: {
      try bases.enumerated().flatMap { index, base in
        let names = Set(try FixtureFiles.names(base))
        let files = try replaced.enumerated().compactMap { number, name in
          names.contains(name) ? (number, try FixtureFiles.bytes(base + "/" + name)) : nil
        }
        return files.map { [UInt8(index)] + Sections.joined([$0]) }
      }
    },
    reader: { bench in
      var present: [[String: [UInt8]]] = []
      for (index, base) in bases.enumerated() {
        try bench.folder("\(index)")
        var files: [String: [UInt8]] = [:]
        for name in try FixtureFiles.names(base) {
          let bytes = try FixtureFiles.bytes(base + "/" + name)
          try bench.write(bytes, "\(index)/" + name)
          files[name] = bytes
        }
        present.append(files)
      }
      let originals = present
      return { bytes throws(Finding) in
        guard let first = bytes.first else { return }
        let index = Int(first) % bases.count
        let parts = Sections.split(Array(bytes.dropFirst()), count: replaced.count)
        for part in parts { try bench.write(part.bytes, "\(index)/" + replaced[part.file]) }
        try open(bench.path + "/\(index)")
        for name in Set(parts.map { replaced[$0.file] }) {
          guard let original = originals[index][name] else {
            bench.remove("\(index)/" + name)
            continue
          }
          try bench.write(original, "\(index)/" + name)
        }
      }
    })

  private static let bases =
    [
      "clip", "clip-hf", "siglip", "families/deit", "families/dinov2", "families/dinov3", "families/pe-core-timm",
      "families/siglip2-naflex", "families/mobileclip2-l",
    ].map { $0 + "/model" }

  private static let replaced = [
    "config.json", "open_clip_config.json", "preprocessor_config.json", "tokenizer_config.json",
    "special_tokens_map.json", "vocab.json", "merges.txt", "tokenizer.json", "model.safetensors.index.json",
    "pytorch_model.bin",
  ]

  private static func open(_ folder: String) throws(Finding) {
    guard let model = try taken({ () throws(LeGradError) in try Model(folder: folder) }) else { return }
    _ = model.summary
    _ = try taken { () throws(LeGradError) in try model.checkText() }
    _ = try taken { () throws(LeGradError) in try model.writtenFiles }
    if let tokenizer = try taken({ () throws(LeGradError) in try model.tokenizer() }) {
      try encoded("a photo of a cat", tokenizer)
    }
  }
}
