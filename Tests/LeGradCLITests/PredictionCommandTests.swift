import Foundation
import TestSupport
import Testing

/// `benchmark --predict`.
@Suite struct PredictionCommandTests {
  let scratch: ScratchFolder

  init() throws { scratch = try ScratchFolder() }

  private func benchmark(_ options: [String]) throws -> CommandResult {
    try CommandRunner.run(["benchmark", "-m", GoldenCommand.model, "--predict"] + options, in: scratch)
  }

  private func predictions(_ result: CommandResult) throws -> [[String: Any]] {
    let report = try #require(try result.json() as? [String: Any])
    return try #require(report["predictions"] as? [[String: Any]])
  }

  @Test func aDescribedDeviceIsPredictedAlone() throws {
    let result = try benchmark(["h200", "--repetitions", "0", "-o", "json", "--images", "3", "--batch-size", "2"])
    expectExit(0, result)
    let prediction = try #require(try predictions(result).first)
    #expect(prediction["device"] as? String == "NVIDIA H200 SXM" && prediction["measuredDevice"] as? String == "")
    #expect(prediction["measuredSeconds"] is NSNull && prediction["predictedShare"] is NSNull)
    let parts = try #require(prediction["parts"] as? [[String: Any]])
    #expect(parts.contains { $0["stage"] as? String == "attention" && $0["measuredSeconds"] is NSNull })
    let sum = parts.reduce(0) { $0 + ($1["predictedSeconds"] as? Double ?? .nan) }
    let launches = try #require(prediction["launchSeconds"] as? Double)
    #expect(abs(try #require(prediction["predictedSeconds"] as? Double) - max(sum, launches)) < 1e-9)
    // As its maker writes it.
    let table = try benchmark(["H200", "--repetitions", "0"])
    expectExit(0, table)
    #expect(table.output.contains("predicted for NVIDIA H200 SXM") && table.output.contains("backward products"))
  }

  @Test(arguments: OpenCLCommand.isPossible ? ["cpu", "opencl"] : ["cpu"])
  func theDeviceInUseIsMeasuredBesideItsPrediction(_ device: String) throws {
    let result = try benchmark(["this", "--repetitions", "1", "-o", "json", "--device", device, "--method", "gradcam"])
    expectExit(0, result)
    let prediction = try #require(try predictions(result).first)
    #expect(prediction["method"] as? String == "gradcam")
    #expect(prediction["measuredDevice"] as? String == prediction["device"] as? String)
    for key in ["measuredSeconds", "stageSeconds", "predictedSeconds", "predictedShare", "heatmapSeconds"] {
      #expect(try #require(prediction[key] as? Double) > 0, "\(key)")
    }
    let parts = try #require(prediction["parts"] as? [[String: Any]])
    #expect(parts.allSatisfy { ($0["measuredSeconds"] as? Double ?? 0) > 0 })
    #expect(parts.contains { $0["stage"] as? String == "fc1" })
  }

  /// What only a measured run has is refused, and what changes the run changes the prediction.
  @Test func aPredictionAloneTakesNoOptionInVain() throws {
    let alone = ["h200", "--repetitions", "0"]
    for option in [
      ["-o", "csv"], ["--device", "1"], ["--memory-limit", "1GiB"], ["--profile"], ["--operations"],
      ["--kernel-variant", "cpu"],
    ] {
      expectExit(2, try benchmark(alone + option), complaint: option[0])
    }
    expectExit(2, try benchmark(alone + ["--kernel-variant", "matrix"]), complaint: "--kernel-variant matrix")
    let prompts = alone + ["--prompts", "7", "-o", "json", "--layers", "all"]
    let plain = try #require(predictions(benchmark(prompts)).first)
    let folded = try #require(predictions(benchmark(prompts + ["--fold"])).first)
    #expect(plain["launches"] as? Double != folded["launches"] as? Double)
    let lrp = try #require(predictions(benchmark(alone + ["--method", "lrp", "-o", "json"])).first)
    #expect(lrp["precision"] as? String == "float64")
  }

  /// Matrix units where the precision is theirs, unless other kernels are named.
  @Test func thePrecisionDecidesTheKernels() throws {
    func prediction(_ options: String...) throws -> (kernels: String?, seconds: Double) {
      let result = try benchmark(["mi300x", "--repetitions", "0", "-o", "json", "--images", "32"] + options)
      expectExit(0, result)
      let prediction = try #require(try predictions(result).first)
      let parts = try #require(prediction["parts"] as? [[String: Any]])
      return (
        prediction["kernels"] as? String, parts.reduce(0) { $0 + ($1["predictedSeconds"] as? Double ?? .nan) }
      )
    }
    #expect(try prediction().kernels == "portable")
    let matrix = try prediction("--precision", "bf16")
    let portable = try prediction("--precision", "bf16", "--kernel-variant", "portable")
    #expect(matrix.kernels == "matrix" && portable.kernels == "portable" && matrix.seconds != portable.seconds)
    #expect(try prediction("--kernel-variant", "matrix", "--precision", "auto").kernels == "matrix")
    let table = try benchmark(["h200", "--repetitions", "0", "--precision", "bf16-split"])
    expectExit(0, table)
    #expect(table.output.contains("predicted for NVIDIA H200 SXM, matrix kernels"))
  }

  @Test func anUnknownDeviceIsRefusedWithTheKnownOnes() throws {
    let result = try benchmark(["h2000"])
    expectExit(2, result, complaint: "h200, mi300x, arc-a770")
    #expect(result.output.isEmpty)
  }

  @Test func nothingIsPredictedWithoutADeviceOrARun() throws {
    expectExit(2, try benchmark(["this", "--repetitions", "0"]), complaint: "--predict this")
    let result = try CommandRunner.run(["benchmark", "--repetitions", "0"], in: scratch)
    expectExit(2, result, complaint: "--repetitions")
  }
}
