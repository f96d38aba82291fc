import Failures

/// One shell line that has PyTorch read a file and writes its tensors as safetensors beside it, under a name that is
/// looked for before the file's own.
///
/// A name that a shell or Python could take for more than a name is not repeated: the line is meant to be copied.
struct ConversionCommand {
  let line: String

  /// - Parameter isTorchScript: the file is a program with tensors, which PyTorch loads by another call.
  init(path: String, isTorchScript: Bool = false) {
    let slash = path.lastIndex(of: "/")
    let folder = slash.map { $0 == path.startIndex ? "/" : String(path[..<$0]) } ?? "."
    let name = slash.map { String(path[path.index(after: $0)...]) } ?? path
    let isPlain = name.utf8.allSatisfy { byte in
      let character = Character(Unicode.Scalar(byte))
      return byte < 0x80 && (character.isLetter || character.isNumber || "._-".contains(character))
    }
    let file = isPlain ? name : "NAME" + (name.lastIndex(of: ".").map { Self.plainSuffix(name[$0...]) } ?? "")
    let stem = file.prefix(upTo: file.lastIndex(of: ".") ?? file.endIndex)
    let target = (stem == "open_clip_pytorch_model" ? stem : "model") + ".safetensors"
    let load: String
    var modules = "torch, safetensors.torch as s"
    if isTorchScript {
      load = "torch.jit.load('\(file)', map_location='cpu').state_dict()"
    } else if let shard = stem.firstRange(of: "-of-"), let number = stem[..<shard.lowerBound].lastIndex(of: "-") {
      let pattern = stem[..<number] + "-*-of-*" + file[stem.endIndex...]
      modules = "glob, " + modules
      load =
        "{k: v for f in glob.glob('\(pattern)') for k, v in "
        + "torch.load(f, map_location='cpu', weights_only=True).items()}"
    } else {
      load = "torch.load('\(file)', map_location='cpu', weights_only=True)"
    }
    let quotedFolder = folder.split(separator: "'", omittingEmptySubsequences: false).joined(separator: "'\\''")
    line =
      "cd '\(quotedFolder)' && python3 -c \"import \(modules); d = \(load); "
      + "s.save_file({k.removeprefix('module.'): v.clone().contiguous() "
      + "for k, v in d.get('state_dict', d).items() if torch.is_tensor(v)}, '\(target)')\""
  }

  private static func plainSuffix(_ suffix: Substring) -> String {
    [".bin", ".pt", ".pth"].first { $0 == suffix } ?? ""
  }
}
