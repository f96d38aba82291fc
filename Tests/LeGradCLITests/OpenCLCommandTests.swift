import Foundation
import NpyFiles
import OpenCLRuntime
import TestSupport
import Testing

@testable import LeGradCLI

/// `explain`, `demo` and `benchmark` on an OpenCL device, and where there is none.
@Suite struct OpenCLCommandTests {
  let scratch: ScratchFolder

  init() throws { scratch = try ScratchFolder() }

  private func explain(_ options: [String], environment: [String: String] = [:]) throws -> CommandResult {
    try CommandRunner.run(
      ["explain", GoldenCommand.image, "-m", GoldenCommand.model, "--layers", "all"] + GoldenCommand.promptArguments
        + options, in: scratch, environment: environment)
  }

  private func report() throws -> [String: Any] { try scratch.json("legrad-out/image_32x32.json") }

  @Test func withoutADriverTheCPUIsTakenAndSaid() throws {
    let result = try explain([], environment: OpenCLCommand.noDriver)
    expectExit(0, result)
    #expect(result.errorLines.count == 1)
    #expect(result.errors.contains("automatic choice: OpenCL has no driver here"))
    let device = try #require(try report()["device"] as? [String: Any])
    #expect(device["backend"] as? String == "native" && device["driver"] == nil)
    #expect((device["reason"] as? String)?.contains("no driver") == true)
  }

  @Test(arguments: ["opencl", "gpu", "1"])
  func withoutADriverADeviceAskedForIsAnError(_ device: String) throws {
    expectExit(
      4, try explain(["--device", device], environment: OpenCLCommand.noDriver), complaint: "pocl-opencl-icd")
    #expect(scratch.files(in: "").isEmpty)
  }

  @Test func withoutALoaderADeviceAskedForIsAnError() throws {
    let environment = try OpenCLCommand.noLoader(in: scratch)
    expectExit(4, try explain(["--device", "opencl"], environment: environment), complaint: "ocl-icd-libopencl1")
    expectExit(0, try explain([], environment: environment))
  }

  @Test(
    .enabled(if: OpenCLCommand.isPossible),
    arguments: [
      ("portable", "f32"), ("cpu", "f32"), ("matrix", "bf16-split"),
    ])
  func goldenAnswersOnOpenCL(_ variant: String, _ precision: String) throws {
    let result = try explain(
      [
        "--device", "opencl", "--kernel-variant", variant, "--precision", precision, "--format", "npy,json", "--verify",
      ], environment: variant == "matrix" ? OpenCLCommand.keepsNothing : [:])
    expectExit(0, result)
    let relevance = try NpyFile.readFloats(scratch.path("legrad-out/image_32x32.relevance.npy"))
    expectClose(
      relevance, try GoldenCommand.expected("32x32/legrad"), relative: precision == "f32" ? 1e-5 : 1e-4)
    let report = try report()
    let device = try #require(report["device"] as? [String: Any])
    #expect(device["backend"] as? String == "OpenCL" && device["variant"] as? String == variant)
    #expect(device["platform"] as? String == TestDevice.first?.platform)
    #expect(device["driver"] as? String == TestDevice.first?.driver)
    #expect(device["streaming"] as? Bool == false && device["reason"] as? String == "as asked for")
    #expect(report["precision"] as? String == precision)
    let verification = try #require(report["verification"] as? [String: Any])
    #expect(verification["compared"] as? String == "relevance" && verification["bound"] as? Double == 1e-4)
    #expect(try #require(verification["error"] as? Double) <= 1e-4)
  }

  @Test(.enabled(if: OpenCLCommand.isPossible), arguments: ["f16", "bf16"])
  func verificationOf16BitsComparesHeatmaps(_ precision: String) throws {
    let result = try explain(["--device", "opencl", "--precision", precision, "--format", "json", "--verify"])
    expectExit(0, result)
    let verification = try #require(try report()["verification"] as? [String: Any])
    #expect(verification["compared"] as? String == "heatmap")
    #expect(verification["bound"] as? Double == (precision == "f16" ? 3e-3 : 2e-2))
  }

  @Test(.enabled(if: OpenCLCommand.isPossible))
  func verificationStopsAtAWrongMap() throws {
    let environment = try OpenCLCommand.wrongKernels(in: scratch)
    let result = try explain(["--device", "opencl", "--verify"], environment: environment)
    expectExit(6, result, complaint: "computes a wrong relevance of legrad: error ")
    #expect(result.errors.contains(GoldenCommand.image) && result.errors.contains("at most 1.0e-4"))
    #expect(result.errors.contains(try #require(TestDevice.first).name))
    #expect(result.errors.contains("use --device cpu, another --kernel-variant or a newer driver"))
    #expect(scratch.files(in: "legrad-out").isEmpty)
  }

  @Test(.enabled(if: OpenCLCommand.isPossible))
  func aMemoryLimitMakesWeightsStreamAndSaysSo() throws {
    func run(_ folder: String, _ options: [String]) throws -> CommandResult {
      try CommandRunner.run(
        ["explain", GoldenCommand.image, "-p", "a red circle", "-m", "demo", "--device", "opencl", "-o", folder]
          + ["--format", "npy,json"] + options, in: scratch)
    }
    expectExit(0, try run("resident", []))
    let streamed = try run("streamed", ["--memory-limit", "5M"])
    expectExit(0, streamed)
    #expect(streamed.errors.contains("weights stream") && streamed.errors.contains("exceed 5000000"))
    let device = try #require(try scratch.json("streamed/image_32x32.json")["device"] as? [String: Any])
    #expect(device["streaming"] as? Bool == true)
    let name = "image_32x32.relevance.npy"
    #expect(try scratch.bytes("streamed/\(name)") == scratch.bytes("resident/\(name)"))
    expectExit(5, try run("nothing", ["--memory-limit", "100K"]), complaint: "--memory-limit")
    #expect(scratch.files(in: "nothing").isEmpty)
  }

  /// The bytes that a refusal names are enough, and hardly more than needed.
  @Test(.enabled(if: OpenCLCommand.isPossible), arguments: ["portable", "cpu"], ["f32", "bf16"])
  func theMemoryThatARefusalNamesIsEnough(_ variant: String, _ precision: String) throws {
    func run(_ limit: String) throws -> CommandResult {
      try CommandRunner.run(
        ["explain", GoldenCommand.image, "-p", "a red circle", "-p", "a green cross", "-m", "demo", "--layers", "all"]
          + ["--device", "opencl", "--kernel-variant", variant, "--precision", precision, "--memory-limit", limit]
          + ["--format", "npy", "-o", "out", "--overwrite"], in: scratch)
    }
    for start in ["200K", "1M", "2M"] {
      var limit = start
      var refusals = 0
      while true {
        let result = try run(limit)
        guard result.exitCode == 5, refusals < 4 else {
          expectExit(0, result)
          break
        }
        refusals += 1
        let match = try #require(result.errors.firstMatch(of: #/; (\d+) bytes are enough for /#), "\(result.errors)")
        #expect(Int(match.1).map { $0 > Int(limit) ?? 0 } == true, "\(limit): \(result.errors)")
        limit = String(match.1)
      }
      // What failed first needs less than what comes after it at most once.
      #expect(refusals <= 2, "from \(start)")
      if refusals > 0, let bytes = Int(limit) {
        expectExit(5, try run("\(bytes / 10 * 9)"), complaint: "bytes are enough")
      }
    }
  }

  /// Whether a limit is enough for weights that stay is known before: nothing fails on the way.
  @Test(.enabled(if: OpenCLCommand.isPossible), arguments: ["portable", "cpu"])
  func aNoteOnStreamingCarriesNoError(_ variant: String) throws {
    for limit in stride(from: 4_600_000, through: 6_400_000, by: 300_000) {
      let result = try CommandRunner.run(
        ["explain", GoldenCommand.image, "-p", "a red circle", "-m", "demo", "--device", "opencl", "-o", "out"]
          + ["--kernel-variant", variant, "--memory-limit", "\(limit)", "--overwrite", "--format", "npy"], in: scratch)
      expectExit(0, result)
      #expect(!result.errors.contains("CL_"), "\(limit): \(result.errors)")
    }
  }

  @Test func theCPUInFloat32HasNothingToVerify() throws {
    let result = try explain(["--device", "cpu", "--verify"])
    expectExit(0, result)
    #expect(result.errors.contains("nothing to compare it with"))
    #expect(try report()["verification"] == nil)
    expectExit(0, try explain(["--device", "cpu", "--precision", "f16", "--verify", "--overwrite"]))
    #expect(try report()["verification"] != nil)
  }

  @Test(.enabled(if: OpenCLCommand.isPossible))
  func theDemoRunsOnOpenCL() throws {
    let result = try CommandRunner.run(["demo", "--device", "opencl", "--verify", "--json"], in: scratch)
    expectExit(0, result)
    let reports = try #require(try result.json() as? [[String: Any]])
    #expect(reports.count == 3)
    for report in reports {
      #expect((report["device"] as? [String: Any])?["backend"] as? String == "OpenCL")
      #expect(report["verification"] != nil)
    }
  }
}

@Suite(.enabled(if: OpenCLCommand.isPossible)) struct OpenCLBenchmarkTests {
  let scratch: ScratchFolder

  init() throws { scratch = try ScratchFolder() }

  private func benchmark(_ options: [String], environment: [String: String] = [:]) throws -> CommandResult {
    try CommandRunner.run(
      ["benchmark", "-m", GoldenCommand.model, "--repetitions", "2"] + options, in: scratch,
      environment: environment)
  }

  private func rows(_ result: CommandResult) throws -> [[String: Any]] {
    try #require(try result.json() as? [[String: Any]])
  }

  @Test func allDevicesAreSideBySide() throws {
    let result = try benchmark(["--device", "all", "--json", "--images", "2", "--prompts", "3"])
    expectExit(0, result)
    let rows = try rows(result)
    try #require(rows.count >= 2)
    #expect(rows.allSatisfy { $0["method"] as? String == "legrad" })
    #expect(rows[0].keys == rows[1].keys)
    // Residency: pixels up, relevance of 17 tokens and the embedding down.
    for row in rows {
      #expect(row["uploadedBytes"] as? Int == 3 * 32 * 32 * 4)
      #expect(row["downloadedBytes"] as? Int == (4 * 3 * 17 + 32) * 4)
    }
    let process = try #require(rows[0]["peakBytes"] as? Int)
    let device = try #require(rows[1]["peakBytes"] as? Int)
    #expect(device > 1 << 16 && process > 1 << 20)
    #expect(result.errors.contains("a launch takes") && result.errors.contains("waits for the device"))
  }

  @Test func operationsAreRowsToo() throws {
    let result = try benchmark(["--device", "opencl", "--json", "--operations"])
    expectExit(0, result)
    let rows = try rows(result)
    let methods = rows.compactMap { $0["method"] as? String }
    #expect(methods.count { $0.hasPrefix("matmul ") } == 8)
    #expect(methods.contains { $0.hasPrefix("attention ") } && methods.contains { $0.hasPrefix("attentionRelevance ") })
    #expect(methods.contains("matmul queries-keys-values 17×192×64 bias"))
    for row in rows {
      #expect(try #require(row["gflops"] as? Double) > 0)
      #expect(row["shareOfPeak"] as? Double != nil)
      #expect(row.keys == rows[0].keys)
    }
  }

  @Test func aTableOfAllHasOperationsAndLaunches() throws {
    let result = try benchmark(["--device", "all", "--profile"])
    expectExit(0, result)
    let lines = result.output.split(separator: "\n")
    #expect(lines.count { $0.contains("| matmul ") } >= 16)
    #expect(lines.count { $0.contains("a launch takes") } >= 2)
    #expect(result.output.contains("no time per kernel"))
    #expect(lines.contains { $0.hasPrefix("  kernel ") } && lines.contains { $0.hasPrefix("  attention_relevance ") })
    #expect(!(try benchmark(["--device", "all", "--no-operations"])).output.contains("| matmul "))
  }

  @Test func aDeviceThatFailsDoesNotStopTheOthers() throws {
    let environment = try OpenCLCommand.brokenKernels(in: scratch)
    let result = try benchmark(["--device", "all", "--json"], environment: environment)
    expectExit(1, result, complaint: "device 1: ")
    #expect(try rows(result).count == 1)
    expectExit(4, try benchmark(["--device", "opencl"], environment: environment), complaint: "layer_norm_backward")
  }

  @Test func withoutADriverAllIsTheCPU() throws {
    let result = try benchmark(["--device", "all", "--json"], environment: OpenCLCommand.noDriver)
    expectExit(0, result)
    #expect(try rows(result).count == 1)
    #expect(result.errors.contains("only the CPU is measured") && result.errors.contains("pocl-opencl-icd"))
  }
}
