import Foundation
import TestSupport
import Testing

/// Model folders that are damaged.
extension MalformedInput {
  // MARK: Weight files

  static let weightFiles: [MalformedInput] = [
    .model("empty weight file", "more than 8 bytes") { try $0.edit(MalformedModel.weights) { _ in [] } },
    .model("weight file of 7 bytes", "more than 8 bytes") {
      try $0.edit(MalformedModel.weights) { Array($0.prefix(7)) }
    },
    .model("header length 0", "header length") {
      try $0.edit(MalformedModel.weights) { [0, 0, 0, 0, 0, 0, 0, 0] + $0 }
    },
    .model("header length beyond the file", "header length") {
      try $0.edit(MalformedModel.weights) { [0, 0, 0, 1, 0, 0, 0, 0] + $0.dropFirst(8) }
    },
    .model("header length of 2^63", "header length") {
      try $0.edit(MalformedModel.weights) { [0, 0, 0, 0, 0, 0, 0, 0x80] + $0.dropFirst(8) }
    },
    .model("header that is not UTF-8", "header byte") {
      try $0.editHeaderBytes { Array($0.dropLast()) + [0xFF, 0x7D] }
    },
    .model("header that is no object", "header byte") { try $0.editHeader { "[" + $0.dropFirst() } },
    .model("header cut in the middle", "header byte") { try $0.editHeader { String($0.prefix($0.count / 2)) } },
    .model("header with bytes after it", "header byte") { try $0.editHeader { $0 + "x" } },
    .model("header with a name twice", "found") {
      try $0.editHeader { $0.replacingOccurrences(of: "\"ln_final.weight\"", with: "\"ln_final.bias\"") }
    },
    .model("unknown element type", "dtype") {
      try $0.editHeader {
        $0.replacingOccurrences(of: "\"dtype\":\"F32\",\"shape\":[16,48]", with: "\"dtype\":\"F33\",\"shape\":[16,48]")
      }
    },
    .model("integers as weights", "expected F32, F16, BF16 or F64, found I32") {
      try $0.editHeader {
        $0.replacingOccurrences(of: "\"dtype\":\"F32\",\"shape\":[16,48]", with: "\"dtype\":\"I32\",\"shape\":[16,48]")
      }
    },
    .model("negative length", "integers from 0") {
      try $0.editHeader { $0.replacingOccurrences(of: "[16,48]", with: "[-16,48]") }
    },
    .model("fractional length", "integers from 0") {
      try $0.editHeader { $0.replacingOccurrences(of: "[16,48]", with: "[1.5,48]") }
    },
    .model("shape beyond 64 bits", "below 2^63") {
      try $0.editHeader { $0.replacingOccurrences(of: "[16,48]", with: "[4611686018427387904,48]") }
    },
    .model("shape of another size than its bytes", "bytes for its shape") {
      try $0.editHeader { $0.replacingOccurrences(of: "[16,48]", with: "[16,47]") }
    },
    .model("end before begin", "begin ≤ end") {
      try $0.editHeader { $0.replacingOccurrences(of: "[388,3460]", with: "[3460,388]") }
    },
    .model("offset out of the file", "at most") {
      try $0.editHeader { $0.replacingOccurrences(of: "[388,3460]", with: "[388000000,388003072]") }
    },
    .model("overlapping tensors", "where the previous tensor ends") {
      try $0.editHeader { $0.replacingOccurrences(of: "[388,3460]", with: "[384,3456]") }
    },
    .model("weight file cut by a byte", "at most") { try $0.edit(MalformedModel.weights) { $0.dropLast() } },
    .model("bytes after the last tensor", "end of data") { try $0.edit(MalformedModel.weights) { $0 + [0] } },
    .model("metadata of numbers", "__metadata__") {
      try $0.editHeader { $0.replacingOccurrences(of: "\"format\":\"pt\"", with: "\"format\":1") }
    },
    .model("missing tensor", "tensor \"ln_final.weight\"") {
      try $0.editHeader { $0.replacingOccurrences(of: "\"ln_final.weight\"", with: "\"ln_final.wait\"") }
    },
    .model("tensor of another shape", "tensor \"positional_embedding\"") {
      try $0.editHeader { $0.replacingOccurrences(of: "[16,48]", with: "[48,16]") }
    },
    .model("NaN in a vision weight", "visual.conv1.weight") {
      try $0.fill("visual.conv1.weight", first: 1, with: .nan)
    },
    .model("infinity in a text weight", "text_projection") {
      try $0.fill("text_projection", first: 1, with: .infinity)
    },
    .model("weights so large that sums overflow", "not finite", exitCode: 6) {
      for layer in 0..<4 { try $0.fill("visual.transformer.resblocks.\(layer).mlp.c_fc.weight", with: 3e38) }
      for layer in 0..<4 { try $0.fill("visual.transformer.resblocks.\(layer).mlp.c_proj.weight", with: 3e38) }
    },
    .model("folder in place of the weight file", "a regular file") {
      try $0.remove(MalformedModel.weights)
      try FileManager.default.createDirectory(
        atPath: $0.scratch.path(MalformedModel.weights), withIntermediateDirectories: false)
    },
    .model("link that leads nowhere in place of the weight file", "open_clip_model.safetensors") {
      try $0.remove(MalformedModel.weights)
      try FileManager.default.createSymbolicLink(
        atPath: $0.scratch.path(MalformedModel.weights), withDestinationPath: "nowhere")
    },
    .model("a Git LFS pointer in place of the weights", "install git-lfs and run 'git lfs pull' in the folder") {
      try $0.scratch.write(
        "version https://git-lfs.github.com/spec/v1\noid sha256:a\nsize 5\n", to: MalformedModel.weights)
    },
    .model("a page in place of the weights", "a web page with the title \"Log in\"") {
      try $0.scratch.write("<!DOCTYPE html><html><title>Log in</title></html>", to: MalformedModel.weights)
    },
    .model("a server's answer in place of the weights", "found the text \"Entry not found\"") {
      try $0.scratch.write("Entry not found", to: MalformedModel.weights)
    },
    .model("no weight file", "open_clip_model.safetensors") { try $0.remove(MalformedModel.weights) },
    .model("pickled weights only", "safetensors.torch") {
      try $0.remove(MalformedModel.weights)
      try $0.scratch.write([0x80, 2], to: "model/open_clip_pytorch_model.bin")
    },
  ]

  // MARK: Sharded models

  private static func editIndex(
    _ name: String, _ complaint: String, _ edit: @escaping @Sendable (String) -> String
  ) -> MalformedInput {
    .model(name, complaint, layout: "clip-hf-sharded") {
      try $0.editConfiguration(edit, file: MalformedModel.shardedIndex)
    }
  }

  static let shardedModels: [MalformedInput] = [
    editIndex("index that is no JSON", "index byte") { _ in "weights: here" },
    editIndex("index without a weight map", "weight_map") {
      $0.replacingOccurrences(of: "\"weight_map\"", with: "\"map\"")
    },
    editIndex("index that leads out of the folder", "inside the folder") {
      $0.replacingOccurrences(of: "\"model-00001-of-00021", with: "\"../model-00001-of-00021")
    },
    editIndex("index with an absolute path", "inside the folder") {
      $0.replacingOccurrences(of: "\"model-00001-of-00021", with: "\"/model-00001-of-00021")
    },
    editIndex("index that names a number", "weight_map") {
      $0.replacingOccurrences(of: "\"logit_scale\": \"model-00002-of-00021.safetensors\"", with: "\"logit_scale\": 2")
    },
    editIndex("index that names a wrong file", "weight_map") {
      $0.replacingOccurrences(
        of: "\"logit_scale\": \"model-00002-of-00021.safetensors\"",
        with: "\"logit_scale\": \"model-00003-of-00021.safetensors\"")
    },
    .model("missing shard", "model-00007-of-00021.safetensors", layout: "clip-hf-sharded") {
      try $0.remove("model/model-00007-of-00021.safetensors")
    },
    .model("cut shard", "model-00007-of-00021.safetensors", layout: "clip-hf-sharded") {
      try $0.edit("model/model-00007-of-00021.safetensors") { Array($0.prefix($0.count / 2)) }
    },
  ]

  // MARK: Configurations

  private static func configuration(
    _ name: String, _ complaint: String, replacing text: String, with replacement: String
  ) -> MalformedInput {
    .model(name, complaint) {
      try $0.editConfiguration { $0.replacingOccurrences(of: text, with: replacement) }
    }
  }

  static let configurations: [MalformedInput] = [
    .model("no configuration", "open_clip_config.json or config.json") { try $0.remove(MalformedModel.configuration) },
    .model("configuration that is no JSON", "configuration byte") { try $0.editConfiguration { _ in "model_cfg: {}" } },
    .model("a Git LFS pointer in place of the configuration", "git lfs pull") {
      try $0.editConfiguration { _ in "version https://git-lfs.github.com/spec/v1\noid sha256:a\nsize 5\n" }
    },
    .model("a server's answer in place of the configuration", "found the text \"Entry not found\"") {
      try $0.editConfiguration { _ in "Entry not found" }
    },
    .model("configuration behind a byte order mark", "found a byte order mark; an editor wrote it so: save the file") {
      try $0.editConfiguration { "\u{FEFF}" + $0 }
    },
    .model("configuration in UTF-16", "found text in UTF-16") {
      try $0.edit(MalformedModel.configuration) { [0xFF, 0xFE] + $0.flatMap { [$0, 0] } }
    },
    .model("configuration that is an array", "an object") { try $0.editConfiguration { _ in "[]" } },
    .model("empty configuration", "configuration byte 0") { try $0.editConfiguration { _ in "" } },
    configuration("no vision tower", "vision_cfg", replacing: "\"vision_cfg\"", with: "\"division_cfg\""),
    configuration("patch of 0", "patch_size", replacing: "\"patch_size\": 8", with: "\"patch_size\": 0"),
    configuration("patch that is text", "patch_size", replacing: "\"patch_size\": 8", with: "\"patch_size\": \"8\""),
    configuration("negative layers", "layers", replacing: "\"layers\": 4", with: "\"layers\": -4"),
    configuration("more layers than weights", "resblocks.4", replacing: "\"layers\": 4", with: "\"layers\": 5"),
    configuration("width of 2^62", "width", replacing: "\"width\": 64", with: "\"width\": 4611686018427387904"),
    configuration(
      "width that is not the weights'", "expected shape", replacing: "\"width\": 64", with: "\"width\": 48"),
    configuration("heads that do not divide", "heads", replacing: "\"head_width\": 16", with: "\"head_width\": 20"),
    configuration(
      "image that is smaller than a patch", "at least the patch size 8", replacing: "\"image_size\": 32",
      with: "\"image_size\": 7"),
    configuration("standard deviation of 0", "std", replacing: "0.26862954", with: "0"),
    configuration("two means", "mean", replacing: "0.48145466,", with: ""),
    configuration(
      "unknown option", "vision_cfg", replacing: "\"patch_size\": 8", with: "\"patch_size\": 8, \"qk_norm\": true"),
    configuration(
      "a timm tower", "timm_model_name", replacing: "\"patch_size\": 8", with: "\"timm_model_name\": \"vit\""),
    configuration(
      "a configuration nested too deep", "configuration byte", replacing: "\"image_size\": 32",
      with: "\"image_size\": " + String(repeating: "[", count: 100_000)),
  ]

  // MARK: Tokenizers

  static let tokenizers: [MalformedInput] = [
    .model("no tokenizer", "OpenAI's CLIP byte pairs, compiled in) has 49408 ids") {
      for name in ["vocab.json", "merges.txt"] { try $0.remove("model/\(name)") }
    },
    .model("vocabulary without merges", "vocab.json alone") { try $0.remove("model/merges.txt") },
    .model("vocabulary that is no JSON", "vocab.json") { try $0.edit("model/vocab.json") { _ in Array("!".utf8) } },
    .model("vocabulary behind a byte order mark", "found a byte order mark; an editor wrote it so: save the file") {
      try $0.edit("model/vocab.json") { [0xEF, 0xBB, 0xBF] + $0 }
    },
    .model("a Git LFS pointer in place of the vocabulary", "git lfs pull") {
      try $0.scratch.write("version https://git-lfs.github.com/spec/v1\noid sha256:a\nsize 5\n", to: "model/vocab.json")
    },
    .model("vocabulary of text", "vocab.json") {
      try $0.editConfiguration(
        { $0.replacingOccurrences(of: "\"!\": 0", with: "\"!\": \"0\"") }, file: "model/vocab.json")
    },
    .model("negative token id", "vocab.json") {
      try $0.editConfiguration({ $0.replacingOccurrences(of: "\"!\": 0", with: "\"!\": -1") }, file: "model/vocab.json")
    },
    .model("token id twice", "vocab.json") {
      try $0.editConfiguration({ $0.replacingOccurrences(of: "\"!\": 0", with: "\"!\": 1") }, file: "model/vocab.json")
    },
    .model("token id beyond the text tower", "text tower") {
      try $0.editConfiguration(
        { $0.replacingOccurrences(of: "\"<|endoftext|>\": 773", with: "\"<|endoftext|>\": 774") },
        file: "model/vocab.json")
    },
    .model("merges without their version", "#version") {
      try $0.editConfiguration({ $0.replacingOccurrences(of: "#version: 0.2\n", with: "") }, file: "model/merges.txt")
    },
    .model("merge of three symbols", "two symbols") {
      try $0.editConfiguration({ $0.replacingOccurrences(of: "\ni n\n", with: "\ni n g\n") }, file: "model/merges.txt")
    },
    .model("merges that are not UTF-8", "merges.txt") {
      try $0.edit("model/merges.txt") { $0 + [0xFF, 0x20, 0xFE, 0x0A] }
    },
    .model("tokenizer.json of another kind", "tokenizer.json") {
      for name in ["vocab.json", "merges.txt"] { try $0.remove("model/\(name)") }
      try $0.scratch.write("{\"model\": {\"type\": \"Unigram\"}}", to: "model/tokenizer.json")
    },
    .model("a packed vocabulary that is no gzip", "bpe_simple_vocab_16e6.txt.gz") {
      for name in ["vocab.json", "merges.txt"] { try $0.remove("model/\(name)") }
      try $0.scratch.write([0x1F, 0x8B, 8, 0], to: "model/bpe_simple_vocab_16e6.txt.gz")
    },
  ]
}
