import Foundation
import ImageFiles
import LeGrad
import TestSupport
import Testing

@Suite struct DemoTests {
  @Test func worksFromAnEmptyFolderWithoutAnyEnvironment() throws {
    let scratch = try ScratchFolder()
    let result = try CommandRunner.run(["demo"], in: scratch, environment: ["PATH": ""])
    expectExit(0, result)
    let files = scratch.files(in: "demo-output")
    for stem in ["dusk", "lilac", "slate"] {
      for name in ["\(stem).png", "\(stem).overlay.0.png", "\(stem).heatmap.0.png", "\(stem).json"] {
        #expect(files.contains(name))
      }
    }
    let picture = try RGBImage.decode(path: scratch.path("demo-output/dusk.png")).image
    let overlay = try RGBImage.decode(path: scratch.path("demo-output/dusk.overlay.0.png")).image
    #expect((picture.width, picture.height) == (overlay.width, overlay.height))
    #expect(try scratch.json("demo-output/dusk.json")["layers"] as? [Int] == [0, 1, 2, 3])
    #expect(result.output.contains("a red diamond"))
    #expect(result.output.contains("demo-output/"))
    // The command it proposes works.
    let line = try #require(result.output.split(separator: "\n").first { $0.hasPrefix("Try next:  legrad ") })
    let words = line.dropFirst("Try next:  legrad ".count)
    let process = Process()
    process.executableURL = URL(filePath: "/bin/sh")
    process.arguments = ["-c", "'\(CommandRunner.binary)' \(words) > next.out 2> next.err"]
    process.currentDirectoryURL = URL(filePath: scratch.path)
    try process.run()
    process.waitUntilExit()
    #expect(process.terminationStatus == 0)
    #expect(scratch.files(in: "legrad-out").contains("dusk.json"))
  }

  @Test func findsWhatItNames() throws {
    let scratch = try ScratchFolder()
    let result = try CommandRunner.run(["demo", "-o", "out", "--json"], in: scratch)
    expectExit(0, result)
    let reports = try #require(try result.json() as? [[String: Any]])
    #expect(reports.count == 3)
    for report in reports {
      for prompt in try #require(report["prompts"] as? [[String: Any]]) {
        #expect(prompt["flat"] as? Bool == false)
        #expect(try #require(prompt["similarity"] as? Double) > 0.1)
      }
    }
  }

  @Test func replacesNothingUnasked() throws {
    let scratch = try ScratchFolder()
    try FileManager.default.createDirectory(atPath: scratch.path("out"), withIntermediateDirectories: false)
    try scratch.write("mine", to: "out/slate.png")
    expectExit(2, try CommandRunner.run(["demo", "-o", "out"], in: scratch), complaint: "out/slate.png exists")
    #expect(scratch.files(in: "out") == ["slate.png"])
    expectExit(0, try CommandRunner.run(["demo", "-o", "out", "--overwrite"], in: scratch))
    #expect(try scratch.bytes("out/slate.png") != Array("mine".utf8))
  }

  @Test func leavesNoTemporaryFiles() throws {
    let scratch = try ScratchFolder()
    try FileManager.default.createDirectory(atPath: scratch.path("tmp"), withIntermediateDirectories: false)
    let environment = ["TMPDIR": scratch.path("tmp")]
    expectExit(0, try CommandRunner.run(["demo", "-o", "out"], in: scratch, environment: environment))
    expectExit(0, try CommandRunner.run(["model", "info", "-m", "demo"], in: scratch, environment: environment))
    #expect(scratch.files(in: "tmp").isEmpty)
  }
}

@Suite struct ModelCommandTests {
  @Test func infoSaysWhatAFolderHolds() throws {
    let scratch = try ScratchFolder()
    let result = try CommandRunner.run(["model", "info", "-m", GoldenCommand.model, "--json"], in: scratch)
    expectExit(0, result)
    let info = try #require(try result.json() as? [String: Any])
    #expect(info["layout"] as? String == "openCLIP")
    #expect(info["embeddingWidth"] as? Int == 32)
    #expect(info["storageTypes"] as? [String: Int] == ["F32": info["parameters"] as? Int ?? 0])
    #expect(info["ignoredTensors"] as? [String] == [])
    #expect((info["hash"] as? String)?.count == 64)
    #expect((info["tokenizer"] as? String)?.contains("774") == true)
    let vision = try #require(info["vision"] as? [String: Any])
    #expect(vision["layers"] as? Int == 4)
    #expect(vision["heads"] as? Int == 4)
    #expect(vision["patchSize"] as? Int == 8)
    #expect((info["preprocessing"] as? [String: Any])?["missing"] as? [String] == [])
    let text = try CommandRunner.run(["model", "info", "-m", GoldenCommand.model], in: scratch)
    #expect(text.output.contains("4 blocks of width 64, 4 heads"))
  }

  @Test func infoSaysWhatIsMissing() throws {
    let scratch = try ScratchFolder()
    let model = try MalformedModel(in: scratch)
    try model.editConfiguration { $0.replacingOccurrences(of: "\"preprocess_cfg\"", with: "\"unused\"") }
    try model.remove("model/merges.txt")
    let result = try CommandRunner.run(["model", "info", "-m", "model", "--json"], in: scratch)
    expectExit(0, result)
    let info = try #require(try result.json() as? [String: Any])
    #expect((info["preprocessing"] as? [String: Any])?["missing"] as? [String] == ["mean", "std"])
    #expect(info["tokenizer"] == nil)
    #expect((info["tokenizerProblem"] as? String)?.contains("merges.txt") == true)
    let text = try CommandRunner.run(["model", "info", "-m", "model"], in: scratch).output
    #expect(text.contains("missing: give --mean and --std"))
  }

  @Test func randomModelsCanBeExplainedWith() throws {
    let scratch = try ScratchFolder()
    let arguments = ["model", "random", "--arch", "ViT-B-32", "--type", "bf16"]
    expectExit(0, try CommandRunner.run(arguments + ["-o", "a"], in: scratch))
    #expect(scratch.files(in: "a") == ["open_clip_config.json", "open_clip_model.safetensors"])
    expectExit(2, try CommandRunner.run(arguments + ["-o", "a"], in: scratch), complaint: "exists")
    let info = try CommandRunner.run(["model", "info", "-m", "a", "--json"], in: scratch)
    let report = try #require(try info.json() as? [String: Any])
    #expect((report["storageTypes"] as? [String: Int])?.keys.sorted() == ["BF16"])
    // A folder without a tokenizer is read with OpenAI's vocabulary, as OpenCLIP reads it.
    expectExit(0, try CommandRunner.run(["explain", GoldenCommand.image, "-m", "a", "-p", "x"], in: scratch))
  }
}

@Suite struct BenchmarkTests {
  private static let fields: Set<String> = [
    "arch", "method", "device", "variant", "precision", "size", "images", "prompts", "layers", "repetitions",
    "medianSeconds", "minSeconds", "imagesPerSecond", "gflops", "shareOfPeak", "peakBytes", "uploadedBytes",
    "downloadedBytes",
  ]

  private func run(_ options: [String]) throws -> CommandResult {
    let scratch = try ScratchFolder()
    let result = try CommandRunner.run(["benchmark", "-m", GoldenCommand.model] + options, in: scratch)
    expectExit(0, result)
    #expect(scratch.files(in: "").isEmpty)
    return result
  }

  @Test(arguments: [["-o", "json"], ["--json"], ["-o", "json", "--device", "cpu"]])
  func rowsHaveEveryField(_ format: [String]) throws {
    let result = try run(["--images", "3", "--prompts", "2", "--repetitions", "2", "--size", "40x32"] + format)
    let rows = try #require(try result.json() as? [[String: Any]])
    #expect(rows.count == 1)
    let row = try #require(rows.first)
    #expect(Set(row.keys) == Self.fields)
    #expect(row["images"] as? Int == 3)
    #expect(row["prompts"] as? Int == 2)
    #expect(row["layers"] as? Int == 4)
    #expect(row["repetitions"] as? Int == 2)
    #expect(row["size"] as? String == "40x32")
    #expect(row["precision"] as? String == "f32")
    let median = try #require(row["medianSeconds"] as? Double)
    let minimum = try #require(row["minSeconds"] as? Double)
    #expect(minimum > 0)
    #expect(minimum <= median)
    #expect(abs(try #require(row["imagesPerSecond"] as? Double) * median - 3) < 1e-6)
    #expect(try #require(row["peakBytes"] as? Int) > 1 << 20)
    #expect(try #require(row["gflops"] as? Double) > 0)
    #expect(try #require(row["shareOfPeak"] as? Double) > 0)
    // Up: three planes of pixels. Down: relevance of 21 tokens for each layer and prompt, and the embedding.
    #expect(row["uploadedBytes"] as? Int == 3 * 40 * 32 * 4)
    #expect(row["downloadedBytes"] as? Int == (4 * 2 * 21 + 32) * 4)
  }

  /// A row and a cost for each method, and a row of the forward that they are compared with.
  @Test func severalMethodsAreComparedWithTheForward() throws {
    let result = try run(["--method", "all", "--repetitions", "1", "--json"])
    let rows = try #require(try result.json() as? [[String: Any]])
    let methods = rows.compactMap { $0["method"] as? String }
    let names = Method.all.map(\.name)
    #expect(methods == names + ["forward"])
    #expect(rows.last?["downloadedBytes"] as? Int == 32 * 4)
    #expect(rows.last?["uploadedBytes"] as? Int == 3 * 32 * 32 * 4)
    for method in names {
      let line = result.errors.split(separator: "\n").first { $0.hasPrefix("note: \(method): ") }
      #expect(
        try #require(line).wholeMatch(of: /.* % over the forward, \d+\.\d\d× its arithmetic at .* GFLOP\/s/) != nil)
    }
  }

  @Test func tablesHaveAColumnForEachField() throws {
    let csv = try run(["--repetitions", "1", "-o", "csv"]).output.split(separator: "\n")
    #expect(csv.count == 2)
    #expect(Set(csv[0].split(separator: ",").map(String.init)) == Self.fields)
    let markdown = try run(["--repetitions", "1", "--layers", "last:2"]).output.split(separator: "\n")
    #expect(markdown.count { $0.hasPrefix("| ") || $0.hasPrefix("|---") } == 3)
    #expect(markdown.last?.contains("a launch takes") == true && markdown.count == 4)
    #expect(markdown[0].split(separator: "|").count == markdown[1].split(separator: "|").count)
  }
}
