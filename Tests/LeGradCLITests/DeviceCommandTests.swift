import Foundation
import OpenCLRuntime
import TestSupport
import Testing

@testable import LeGradCLI

/// `devices` and `doctor`.
@Suite struct DeviceCommandTests {
  let scratch: ScratchFolder

  init() throws { scratch = try ScratchFolder() }

  private func run(_ arguments: [String], environment: [String: String] = [:]) throws -> CommandResult {
    try CommandRunner.run(arguments, in: scratch, environment: environment)
  }

  @Test func devicesSayWhatIsUsed() throws {
    let result = try run(["devices", "--json"])
    expectExit(0, result)
    let rows = try #require(try result.json() as? [[String: Any]])
    let native = try #require(rows.first)
    #expect(native["backend"] as? String == "native" && native["kind"] as? String == "cpu")
    let sets = try #require(native["variants"] as? [String])
    #expect(sets.first == "portable" && native["variant"] as? String == sets.last)
    #expect(native["memory"] == nil && native["platform"] == nil)
    #expect(rows.count { $0["isDefault"] as? Bool == true } == 1)
    for (index, row) in rows.enumerated() {
      #expect(row["index"] as? Int == index)
      #expect(row["precisions"] as? [String] == ["f32", "f16", "bf16", "bf16-split"])
      #expect(["f32", "f16", "bf16"].contains(try #require(row["fastestPrecision"] as? String)))
      #expect(try #require(row["computeUnits"] as? Int) > 0)
      #expect(row["float64"] is Bool)
    }
    let text = try run(["devices"]).output
    #expect(text.contains("[0] native cpu: ") && text.contains("\(sets[sets.count - 1])*"))
  }

  /// What a scheduler gave to a task counts where it is less than there is; what is no number does not.
  @Test func threadsAreWhatSlurmGave() throws {
    func threads(_ given: String) throws -> Int? {
      let environment = OpenCLCommand.noDriver.merging(["SLURM_CPUS_PER_TASK": given]) { $1 }
      let rows = try run(["devices", "--json"], environment: environment).json() as? [[String: Any]]
      return rows?.first?["computeUnits"] as? Int
    }
    let all = try #require(try threads(""))
    #expect(try threads("1") == 1)
    #expect(try ["100000", "0", "-3", "two"].map { try threads($0) } == [all, all, all, all])
  }

  @Test(.enabled(if: OpenCLCommand.isPossible))
  func devicesOfOpenCLSayWhatIsUsed() throws {
    let rows = try #require(try run(["devices", "--json"]).json() as? [[String: Any]])
    let row = try #require(rows.first { $0["backend"] as? String == "OpenCL" })
    let device = try #require(TestDevice.first)
    #expect(row["index"] as? Int == 1)
    #expect(row["name"] as? String == device.name && row["kind"] as? String == device.kind.rawValue)
    #expect(row["platform"] as? String == device.platform && row["driver"] as? String == device.driver)
    // PoCL's memory is what hwloc finds free of nodes and limits at that moment: two processes get two answers.
    let memory = try #require(row["memory"] as? Int)
    let largestBuffer = try #require(row["largestBuffer"] as? Int)
    #expect(memory > 1 << 20 && largestBuffer > 0 && largestBuffer <= memory)
    #expect(row["variants"] as? [String] == ["portable", "cpu"])
    #expect(["portable", "cpu"].contains(try #require(row["variant"] as? String)))
    #expect(row["problem"] == nil)
    #expect(try run(["devices"]).output.contains("[1] OpenCL \(device.kind.rawValue): \(device.name)"))
  }

  /// Said once, and no reason to fail.
  @Test func aCacheThatCannotBeWrittenIsSaid() throws {
    try scratch.write("no folder", to: "file")
    for folder in ["file", "file/below"] {
      let path = scratch.path(folder)
      let result = try CommandRunner.run(
        ["devices"], in: scratch, environment: ["LEGRAD_CACHE": path, "OCL_ICD_VENDORS": "/nonexistent"])
      expectExit(0, result)
      let lines = result.errorLines.filter { $0.contains("nothing is kept for the next time: \(path)") }
      #expect(lines.count == 1, "\(result.errors)")
      #expect(lines.allSatisfy { $0.contains("file is no folder; set LEGRAD_CACHE") }, "\(lines)")
    }
    for folder in ["", scratch.path("new/cache")] {
      let result = try CommandRunner.run(
        ["devices"], in: scratch, environment: ["LEGRAD_CACHE": folder, "OCL_ICD_VENDORS": "/nonexistent"])
      #expect(!result.errors.contains("nothing is kept"), "\(result.errors)")
    }
  }

  @Test func aMissingDriverIsExplained() throws {
    let result = try run(["devices", "--json"], environment: OpenCLCommand.noDriver)
    expectExit(0, result)
    #expect((try result.json() as? [Any])?.count == 1)
    #expect(result.errorLines.count == 1 && result.errors.contains("pocl-opencl-icd"))
  }

  @Test func aMissingLoaderIsExplained() throws {
    let result = try run(["devices", "--json"], environment: try OpenCLCommand.noLoader(in: scratch))
    expectExit(0, result)
    #expect((try result.json() as? [Any])?.count == 1)
    #expect(result.errorLines.count == 1 && result.errors.contains("ocl-icd-libopencl1"))
    #expect(result.errors.contains("pocl-opencl-icd"))
  }

  /// A loader without a call is no loader of an older OpenCL: it is named by what it lacks.
  @Test(arguments: ["clGetPlatformIDs", "clGetEventProfilingInfo", "clGetExtensionFunctionAddressForPlatform"])
  func aLoaderThatLacksACallIsNamedByIt(_ call: String) throws {
    let result = try run(["devices", "--json"], environment: try OpenCLCommand.loader(without: call, in: scratch))
    expectExit(0, result)
    #expect((try result.json() as? [Any])?.count == 1)
    #expect(result.errorLines.count == 1 && !result.errors.contains("older"))
    #expect(result.errors.contains("the OpenCL loader has no \(call),"), "\(result.errors)")
  }

  @Test func doctorIsContentWithoutOpenCL() throws {
    let result = try run(["doctor", "--json"], environment: OpenCLCommand.noDriver)
    expectExit(0, result)
    #expect(result.errors.contains("only the CPU is checked") && result.errors.contains("pocl-opencl-icd"))
    let reports = try #require(try result.json() as? [[String: Any]])
    #expect(reports.count == 1 && reports[0]["verdict"] as? String == "good")
  }

  @Test(arguments: ["opencl", "gpu", "1", "nobody's card"])
  func doctorNeedsADeviceThatIsAskedFor(_ device: String) throws {
    let result = try run(["doctor", "--device", device], environment: OpenCLCommand.noDriver)
    expectExit(4, result, complaint: "device '\(device)'")
    #expect(result.errors.contains("pocl-opencl-icd") && result.output.isEmpty)
  }

  @Test(.enabled(if: OpenCLCommand.isPossible))
  func doctorChecksEveryVariant() throws {
    let result = try run(["doctor", "--device", "opencl", "--json"], environment: OpenCLCommand.keepsNothing)
    expectExit(0, result)
    let reports = try #require(try result.json() as? [[String: Any]])
    #expect(reports.compactMap { $0["variant"] as? String } == ["portable", "cpu"])
    for report in reports {
      #expect(report["verdict"] as? String == "good")
      let operations = try #require(report["operations"] as? [[String: Any]])
      let explanation = try #require(report["explanation"] as? [String: Any])
      for check in operations + [explanation] {
        let bound = try #require(check["bound"] as? Double)
        #expect(try #require(check["error"] as? Double) <= bound, "\(check)")
        #expect(try #require(check["seconds"] as? Double) > 0)
        #expect(try #require(check["referenceSeconds"] as? Double) > 0)
        #expect(check["problem"] == nil)
      }
      #expect(explanation["bound"] as? Double == 1e-4)
      #expect(Set(operations.compactMap { $0["operation"] as? String }).count >= 19)
    }
  }

  @Test(.enabled(if: OpenCLCommand.isPossible))
  func doctorFindsWrongNumbers() throws {
    let result = try run(
      ["doctor", "--device", "opencl", "--kernel-variant", "cpu"],
      environment: try OpenCLCommand.wrongKernels(in: scratch).merging(OpenCLCommand.keepsNothing) { $1 })
    expectExit(6, result, complaint: "computes wrong numbers: 4 of")
    #expect(result.errors.contains("layerNormBackward"))
    #expect(result.errors.contains("--device cpu, another --kernel-variant or a newer driver"))
    let wrong = result.output.split(separator: "\n").filter { $0.hasSuffix("WRONG") }
    #expect(wrong.count == 4 && wrong.dropLast().allSatisfy { $0.contains("layerNormBackward") })
    #expect(wrong.last?.contains("explanation") == true)
  }

  @Test(.enabled(if: OpenCLCommand.isPossible))
  func doctorFindsWhatDoesNotRun() throws {
    let result = try run(
      ["doctor", "--device", "opencl", "--kernel-variant", "cpu"],
      environment: try OpenCLCommand.brokenKernels(in: scratch).merging(OpenCLCommand.keepsNothing) { $1 })
    expectExit(4, result, complaint: "cannot be used: 4 of")
    #expect(result.errors.contains("layerNormBackward"))
    let failed = result.output.split(separator: "\n").filter { $0.hasSuffix("FAILED") }
    #expect(failed.count == 4 && failed.dropLast().allSatisfy { $0.contains("layerNormBackward") })
    #expect(failed.last?.contains("explanation") == true)
  }

  /// What others can write is not used, which is said once; a relative XDG_CACHE_HOME is ignored.
  @Test func aCacheThatIsNotOnesOwnIsSaid() throws {
    let folder = scratch.path("open")
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    #expect(unsafe chmod(folder, 0o777) == 0)
    let evaluate = ["evaluate", "shapes", "--scenes", "1", "--device", "cpu", "-o"]
    let result = try CommandRunner.run(evaluate + ["out"], in: scratch, environment: ["LEGRAD_CACHE": folder])
    expectExit(0, result)
    let lines = result.errorLines.filter { $0.contains("\(folder): other users can write in it") }
    #expect(lines.count == 1, "\(result.errors)")
    #expect(scratch.files(in: "open").isEmpty)
    // The remedy.
    #expect(unsafe chmod(folder, 0o755) == 0)
    let own = try CommandRunner.run(evaluate + ["out2"], in: scratch, environment: ["LEGRAD_CACHE": folder])
    #expect(!own.errors.contains("nothing is kept") && !scratch.files(in: "open").isEmpty, "\(own.errors)")
    let relative = try CommandRunner.run(
      evaluate + ["out3"], in: scratch, environment: ["XDG_CACHE_HOME": ".", "HOME": scratch.path("home")])
    expectExit(0, relative)
    #expect(scratch.files(in: "legrad").isEmpty && !scratch.files(in: "home/.cache/legrad").isEmpty)
  }

  /// Whoever comes second finds what is there, or keeps the same again.
  @Test func eightProcessesShareAnEmptyCache() throws {
    let environment = ["LEGRAD_CACHE": scratch.path("cache")]
    let running = try (0..<8).map {
      try CommandRunner.start(
        ["evaluate", "shapes", "--scenes", "2", "--device", "cpu", "--json", "-o", "out\($0)"], in: scratch,
        environment: environment)
    }
    let results = try running.map { try $0.wait() }
    for result in results {
      expectExit(0, result)
      #expect(result.output == results[0].output && !result.errors.contains("nothing is kept"), "\(result.errors)")
    }
    let kept = scratch.files(in: "cache")
    #expect(!kept.isEmpty && kept.allSatisfy { !$0.hasSuffix(".tmp") }, "\(kept)")
    // One more finds all of it.
    expectExit(
      0,
      try CommandRunner.run(
        ["evaluate", "shapes", "--scenes", "2", "--device", "cpu", "-o", "out8"], in: scratch, environment: environment)
    )
    #expect(scratch.files(in: "cache") == kept)
  }
}

@Suite struct ByteCountTests {
  @Test(arguments: [
    ("1", 1), ("123456", 123_456), ("4K", 4000), ("500M", 500_000_000), ("2G", 2_000_000_000), ("4KiB", 4096),
    ("3MiB", 3 << 20), ("4GiB", 4 << 30), ("1.5G", 1_500_000_000), ("0.5KiB", 512), ("9007199254740992", 1 << 53),
  ])
  func areRead(_ text: String, bytes: Int) { #expect(ByteCount(argument: text)?.bytes == bytes) }

  @Test(arguments: [
    "", "0", "-1", "K", "GiB", "1.5", "4 G", "4g", "4GB", "4T", "0.1K.", "1e3", "1e3K", "nan", "infG", "0x10", "+1",
    "9007199254740993000", "99999999999G", "٣", "1.2.3G", "0.0001K",
  ])
  func areRefused(_ text: String) { #expect(ByteCount(argument: text) == nil) }
}

@Suite struct ScientificTests {
  @Test(arguments: [
    (1.2345e-14, 2, "1.2e-14"), (0, 2, "0"), (1, 2, "1.0e0"), (-123, 3, "-1.23e2"), (9.96, 2, "1.0e1"),
    (1e-10, 1, "1e-10"), (0.0001, 1, "1e-4"), (9.99e-5, 1, "1e-4"), (.infinity, 2, "inf"), (.nan, 2, "nan"),
  ])
  func numbersAreShort(_ value: Double, digits: Int, expected: String) {
    #expect(value.scientific(digits: digits) == expected)
  }
}
