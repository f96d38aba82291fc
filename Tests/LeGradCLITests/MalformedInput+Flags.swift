import Foundation
import TestSupport
import Testing

/// Options that cannot be.
extension MalformedInput {
  // MARK: Flags

  static let flags: [MalformedInput] = [
    .flags(["--layers", "last:0"], "--layers"),
    .flags(["--layers", "last:5"], "at most last:4"),
    .flags(["--layers", "2..9"], "blocks 0..3"),
    .flags(["--layers", "3..2"], "--layers"),
    .flags(["--layers", "all:2"], "--layers"),
    .flags(["--size", "33"], "multiples of 8"),
    .flags(["--size", "0"], "--size"),
    .flags(["--size", "-32"], "--size"),
    .flags(["--size", "32x"], "--size"),
    .flags(["--size", "32x40x48"], "--size"),
    .flags(["--size", "8388608x8388608"], "patches"),
    .flags(["--size", "99999999999999999999"], "--size"),
    .flags(["--resize", "pad"], "--resize"),
    .flags(["--method", "legrad,rollout,legrad"], "--method legrad: named twice"),
    .flags(["--method", ""], "no method of this name"),
    .flags(["--method", "rollout", "--rollout-start", "4"], "rollout from block 4: the model has blocks 0..3"),
    .flags(["--rollout-start=-1"], "expected a block, from 0"),
    .flags(["--readout", "first"], "one of 'mean' and 'cls'"),
    .flags(["--method", "textspan", "--textspan-baseline", "7"], "there are prompts 0..0"),
    .flags(["--textspan-baseline", "dog"], "none"),
    .flags(["--method", "magic"], "no method of this name, available: legrad"),
    .flags(["--mean", "0.5,0.5,0.5"], "belong together"),
    .flags(["--mean", "0.5,0.5", "--std", "1,1,1"], "--mean"),
    .flags(["--mean", "0,0,nan", "--std", "1,1,1"], "--mean"),
    .flags(["--mean", "0,0,0", "--std", "1,0,1"], "above zero"),
    .flags(["--device", "99"], "device '99'", exitCode: 4),
    .flags(["--device", "7"], "device '7'", exitCode: 4),
    .flags(["--device", ""], "device ''", exitCode: 4),
    .flags(["--kernel-variant", "fast"], "--kernel-variant"),
    .flags(["--kernel-variant", "matrix"], "expected --precision bf16-split, bf16 or f16, found f32"),
    .flags(["--memory-limit", "0"], "--memory-limit"),
    .flags(["--memory-limit", "4 TB"], "--memory-limit"),
    .flags(["--precision", "f8"], "--precision"),
    .flags(["--batch-size", "0"], "--batch-size"),
    .flags(["--batch-size", "many"], "--batch-size"),
    .flags(["--threads", "0"], "--threads"),
    .flags(["--threads", "100000"], "--threads"),
    .flags(["--format", "png,gif"], "--format"),
    .flags(["--format", ""], "--format"),
    .flags(["--colormap", "rainbow"], "--colormap"),
    .flags(["--alpha", "1.5"], "--alpha"),
    .flags(["--alpha", "nan"], "--alpha"),
    .flags(["--max-pixels", "0"], "--max-pixels"),
    .flags(["--frobnicate"], "--frobnicate"),
    .flags(["-o"], "-o"),
    .flags(["-o", ""], "--output"),
    .flags(["-p", ""], "a prompt is empty"),
    .flags(
      ["--text-embeddings", Fixtures.path("clip/inputs/text_embeddings.npy")],
      "-p and --text-embeddings exclude each other"),
    MalformedInput("a pattern that nothing matches", 1, "nothing-*.jpg: the image cannot be read: No such file") { _ in
      ["explain", "nothing-*.jpg", "-p", "x"]
    },
    MalformedInput("a folder without pictures", 1, "texts: the image cannot be read: it is a folder, not a picture") {
      scratch in
      try FileManager.default.createDirectory(atPath: scratch.path("texts"), withIntermediateDirectories: false)
      try scratch.write("a", to: "texts/a.txt")
      return ["explain", "texts", "-p", "x"]
    },
    .flags(["--reference-image", ""], "--reference-image"),
    .flags(["--prompts-file", ""], "expected a name, found an empty one"),
    .flags(["--text-embeddings", ""], "--text-embeddings"),
    .flags(["--empty-embedding", ""], "--empty-embedding"),
    MalformedInput("a model without a name", 2, "found an empty one") { _ in ["model", "info", "-m", ""] },
    MalformedInput("explain with a model without a name", 2, "found an empty one") { _ in
      ["explain", GoldenCommand.image, "-p", "x", "-m", ""]
    },
    MalformedInput("benchmark of a model without a name", 2, "found an empty one") { _ in ["benchmark", "-m", ""] },
    MalformedInput("merge of a folder without a name", 2, "empty") { _ in ["merge", ""] },
    MalformedInput("a data set without a name", 2, "--dataset") { _ in
      ["evaluate", "segmentation", "--dataset", ""]
    },
    MalformedInput("points without a name", 2, "--points") { _ in
      ["evaluate", "points", "--images", "i", "--points", "", "--class-descriptions", "c"]
    },
    MalformedInput("perturbation without a class index", 2, "--class-index") { _ in
      ["evaluate", "perturbation", "--images", "i", "--class-index", ""]
    },
    MalformedInput("no prompt", 2, "nothing to look for") { _ in
      ["explain", GoldenCommand.image, "-m", GoldenCommand.model]
    },
    MalformedInput("no image", 2, "images") { _ in ["explain", "-p", "x", "-m", GoldenCommand.model] },
    MalformedInput("unknown command", 2, "enlighten") { _ in ["enlighten"] },
    MalformedInput("benchmark of two models", 2, "exclude each other") { _ in
      ["benchmark", "--arch", "ViT-B-16", "-m", "demo"]
    },
    MalformedInput("benchmark of an unknown architecture", 2, "one of ViT-B-32") { _ in
      ["benchmark", "--arch", "ViT-XXL-1"]
    },
    MalformedInput("benchmark of nothing", 2, "--images") { _ in ["benchmark", "--images", "0"] },
    MalformedInput("random model of an unknown architecture", 2, "one of ViT-B-32") { _ in
      ["model", "random", "--arch", "ViT-XXL-1", "-o", "random"]
    },
    MalformedInput("random model with a negative seed", 2, "--seed") { _ in
      ["model", "random", "--arch", "ViT-B-32", "--seed", "-1", "-o", "random"]
    },
    MalformedInput("info about nothing", 2, "--model") { _ in ["model", "info"] },
  ]
}
