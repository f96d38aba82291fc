import Foundation
import OpenCLRuntime
import TestSupport
import Testing

/// What drivers do that answer badly, end the process or never answer: each is named with its reason, and hides nothing.
@Suite(.enabled(if: OpenCLCommand.isPossible)) struct FaultyDriverTests {
  let scratch: ScratchFolder

  init() throws { scratch = try ScratchFolder() }

  private func run(_ arguments: [String], _ environment: [String: String]) throws -> CommandResult {
    try CommandRunner.run(arguments, in: scratch, environment: environment)
  }

  private func rows(_ result: CommandResult) throws -> [[String: Any]] {
    try #require(try result.json() as? [[String: Any]])
  }

  private func explain(_ options: [String], _ environment: [String: String]) throws -> CommandResult {
    try run(
      ["explain", GoldenCommand.image, "-m", GoldenCommand.model, "--layers", "all", "--format", "json", "--overwrite"]
        + GoldenCommand.promptArguments + options, environment)
  }

  private func usedDevice() throws -> [String: Any] {
    try #require(try scratch.json("legrad-out/image_32x32.json")["device"] as? [String: Any])
  }

  /// A mode, and what is said of it.
  static let unusable = [
    ("platform-name", "CL_PLATFORM_NAME"), ("device-ids", "clGetDeviceIDs: CL_OUT_OF_HOST_MEMORY (-6)"),
    ("device-ids-1001", "(-1001)"), ("device-ids-9999", "status -9999"),
    ("many-devices", "says that there are 4294967295"), ("version-1.1", "'OpenCL 1.1 faulty'"),
    ("no-driver", "CL_DRIVER_VERSION"), ("long-name", "CL_DEVICE_NAME of 1099511627776 bytes"),
    ("no-units", "CL_DEVICE_MAX_COMPUTE_UNITS is 0"), ("unavailable", "not available"),
    ("no-context", "clCreateContext: CL_OUT_OF_HOST_MEMORY (-6)"),
    ("no-queue", "clCreateCommandQueue: CL_OUT_OF_HOST_MEMORY (-6)"),
  ]

  @Test(arguments: unusable)
  func aFaultIsARowAndHidesNoOther(_ mode: String, _ says: String) throws {
    for modes in [[mode, FaultyDriver.sound], [FaultyDriver.sound, mode]] {
      let result = try run(
        ["devices", "--json"], try FaultyDriver.environment(modes, in: scratch, knowsSound: true))
      expectExit(0, result)
      let rows = try rows(result)
      #expect(rows.count == 3)
      let faulty = try #require(
        rows.first { ($0["name"] as? String)?.hasSuffix("32") == false && $0["problem"] != nil })
      #expect((faulty["problem"] as? String)?.contains(says) == true, "\(faulty)")
      #expect(faulty["variant"] == nil && faulty["isDefault"] as? Bool == false)
      let sound = try #require(rows.first { $0["platform"] as? String == TestDevice.first?.platform })
      #expect(sound["variant"] != nil && sound["problem"] == nil)
    }
  }

  @Test(arguments: unusable)
  func doctorSaysWhatCannotBeUsed(_ mode: String, _ says: String) throws {
    let result = try run(["doctor", "--json"], try FaultyDriver.environment([mode], in: scratch))
    expectExit(4, result, complaint: "cannot be used: ")
    #expect(result.errors.contains(says), "\(result.errors)")
    #expect(try rows(result).compactMap { $0["verdict"] as? String } == ["good", "unusable"])
  }

  @Test(arguments: ["not-found", "no-devices"])
  func aPlatformWithoutADeviceIsNoMissingDriver(_ mode: String) throws {
    let environment = try FaultyDriver.environment([mode], in: scratch)
    for command in [["devices", "--json"], ["doctor", "--json"]] {
      let result = try run(command, environment)
      expectExit(0, result)
      #expect(try rows(result).count == 1)
      #expect(result.errors.contains("the driver of 'Faulty Platform' is there and finds no device"))
      #expect(!result.errors.contains("no driver"))
    }
    expectExit(4, try explain(["--device", "opencl"], environment), complaint: "finds no device")
    let beside = try run(
      ["devices"], try FaultyDriver.environment([mode, FaultyDriver.sound], in: scratch, knowsSound: true))
    expectExit(0, beside)
    #expect(beside.errors.contains("finds no device") && beside.output.contains("[1] OpenCL"))
  }

  /// A mode whose compiler ends or holds up the process, and what is said of it.
  static let deadly = [
    ("build-exits", "exit code 8: InvalidFunctionCall: Unexpected intrinsic"), ("build-aborts", "signal 6"),
    ("build-crashes", "signal 11"), ("build-hangs", "no answer in 2 s"),
    ("build-refused", "CL_BUILD_PROGRAM_FAILURE (-11): no log (on standard error: the linker is on strike)"),
  ]

  @Test(arguments: deadly)
  func aCompilerThatEndsTheProcessIsMetOnce(_ mode: String, _ says: String) throws {
    let environment = try FaultyDriver.environment([mode], in: scratch)
    let limit = mode == "build-hangs" ? ["--trial-seconds", "2"] : []
    func problem(_ result: CommandResult) throws -> String? {
      expectExit(0, result)
      let rows = try rows(result)
      #expect(rows.count == 2 && rows[0]["isDefault"] as? Bool == true && rows[1]["variant"] == nil)
      return rows[1]["problem"] as? String
    }
    let first = try run(["devices", "--json"] + limit, environment)
    #expect(try problem(first)?.contains(says) == true, "\(first.output)")
    #expect(first.errorLines.count { $0.contains("in a process of their own") } == 2)
    let second = try run(["devices", "--json"] + limit, environment)
    #expect(try problem(second) == problem(first))
    #expect(second.errorLines.isEmpty)
    let again = try run(["devices", "--json", "--try-again"] + limit, environment)
    #expect(try problem(again) == problem(first))
    #expect(again.errorLines.count == 2)

    let automatic = try explain(limit, environment)
    expectExit(0, automatic)
    #expect(automatic.errors.contains("skipped ") && automatic.errors.contains(says), "\(automatic.errors)")
    #expect(try usedDevice()["backend"] as? String == "native")
    expectExit(4, try explain(["--device", "gpu"] + limit, environment), complaint: says)
    expectExit(4, try explain(["--device", "1"] + limit, environment), complaint: says)
    if mode != "build-refused" {
      expectExit(4, try explain(["--device", "1", "--kernel-variant", "cpu"] + limit, environment), complaint: says)
    }
    expectExit(4, try run(["doctor", "--device", "1", "--kernel-variant", "portable"] + limit, environment))
  }

  /// A mode that ends or holds up the process that asks for devices, and what is said of it.
  static let deadlyToAsk = [
    ("load-crashes", "signal 11"), ("platforms-exits", "exit code 9: no licence"),
    ("platforms-hangs", "no answer in 5 s"),
    ("device-ids-aborts", "signal 6"), ("device-info-crashes", "signal 11"),
  ]

  @Test(arguments: deadlyToAsk)
  func aDriverThatEndsTheSearchIsMetOnceAndHidesNoOther(_ mode: String, _ says: String) throws {
    let limit = mode == "platforms-hangs" ? ["--trial-seconds", "5"] : []
    for modes in [[mode, FaultyDriver.sound], [FaultyDriver.sound, mode]] {
      let environment = try FaultyDriver.environment(modes, in: scratch, knowsSound: true)
      func problem(_ result: CommandResult) throws -> String {
        expectExit(0, result)
        let rows = try rows(result)
        #expect(rows.count == 3)
        #expect(rows[1]["platform"] as? String == TestDevice.first?.platform && rows[1]["problem"] == nil)
        #expect(rows[2]["variant"] == nil && rows[2]["isDefault"] as? Bool == false)
        return try #require(rows[2]["problem"] as? String)
      }
      let first = try run(["devices", "--json"] + limit, environment)
      let said = try problem(first)
      let file = "\(modes.firstIndex(of: mode) ?? 0).icd"
      #expect(said.contains(says) && said.contains(file), "\(said)")
      #expect(first.errors.contains("trying each driver in a process of its own"))
      let second = try run(["devices", "--json"] + limit, environment)
      #expect(try problem(second) == said && second.errorLines.isEmpty)
      if limit.isEmpty {
        #expect(try problem(try run(["devices", "--json", "--try-again"], environment)) == said)
      }

      expectExit(0, try explain(["--device", "opencl"] + limit, environment))
      #expect(try usedDevice()["platform"] as? String == TestDevice.first?.platform)
      let automatic = try explain(limit, environment)
      expectExit(0, automatic)
      #expect(automatic.errors.contains("skipped OpenCL driver \(file) (") && automatic.errors.contains(says))
      expectExit(4, try explain(["--device", "2"] + limit, environment), complaint: says)
    }
    let alone = try FaultyDriver.environment([mode], in: scratch)
    expectExit(0, try explain(limit, alone))
    #expect(try usedDevice()["backend"] as? String == "native")
    expectExit(4, try explain(["--device", "opencl"] + limit, alone), complaint: says)
    expectExit(4, try run(["doctor"] + limit, alone), complaint: says)
  }

  /// With nothing kept, too; and no folder is left behind.
  @Test func aSearchThatKeepsNothingIsMadeEachTime() throws {
    var environment = try FaultyDriver.environment(["device-ids-aborts", FaultyDriver.sound], in: scratch)
    environment["LEGRAD_CACHE"] = ""
    environment["TMPDIR"] = scratch.path("temporary")
    try FileManager.default.createDirectory(atPath: scratch.path("temporary"), withIntermediateDirectories: true)
    for _ in 0..<2 {
      let result = try run(["devices", "--json"], environment)
      expectExit(0, result)
      #expect(try rows(result).count == 3 && result.errors.contains("trying each driver"))
      #expect(!scratch.files(in: "temporary").contains { $0.hasPrefix("legrad-drivers") })
    }
  }

  @Test func whyThereIsNoDriverIsSaid() throws {
    let environment = try FaultyDriver.environment([], in: scratch)
    let folder = try #require(environment["OCL_ICD_VENDORS"])
    func said(_ environment: [String: String]) throws -> String {
      let result = try run(["devices"], environment)
      expectExit(0, result)
      return result.errors
    }
    #expect(try said(environment).contains("no .icd file in \(folder)"))
    #expect(try said(OpenCLCommand.noDriver).contains("/nonexistent does not exist"))
    try "libnowhere.so.1\n".write(toFile: folder + "/lost.icd", atomically: true, encoding: .utf8)
    let lost = try said(environment)
    #expect(lost.contains("\(folder)/lost.icd cannot be loaded: libnowhere.so.1: cannot open shared object"), "\(lost)")
    expectExit(4, try explain(["--device", "opencl"], environment), complaint: "libnowhere.so.1")
    let beside = try FaultyDriver.environment([FaultyDriver.sound], in: scratch, knowsSound: true)
    let besideFolder = try #require(beside["OCL_ICD_VENDORS"])
    try "/nowhere/lib.so\n".write(toFile: besideFolder + "/9.icd", atomically: true, encoding: .utf8)
    #expect(try said(beside).contains("9.icd cannot be loaded: /nowhere/lib.so"))
  }

  @Test func theCPUHasTwoNames() throws {
    expectExit(0, try explain(["--device", "native"], [:]))
    #expect(try usedDevice()["backend"] as? String == "native")
  }

  @Test func theVariantThatWorksIsUsed() throws {
    let environment = try FaultyDriver.environment(["cpu-exits"], in: scratch)
    let result = try run(["devices", "--json"], environment)
    expectExit(0, result)
    let row = try rows(result)[1]
    #expect(row["variant"] as? String == "portable" && row["problem"] == nil && row["isDefault"] as? Bool == true)
    #expect((row["refused"] as? String)?.contains("cpu kernels: the driver ended the process with exit code 8") == true)
    expectExit(0, try explain([], environment))
    #expect(try usedDevice()["variant"] as? String == "portable")
    expectExit(4, try explain(["--device", "1", "--kernel-variant", "cpu"], environment), complaint: "exit code 8")
  }

  @Test func doctorOutlivesADriverThatEndsALaterCheck() throws {
    let environment = try FaultyDriver.environment(["late-exits"], in: scratch)
    let result = try run(["doctor", "--json"], environment)
    expectExit(4, result)
    #expect(result.complaints.count == 2 && result.complaints.allSatisfy { $0.contains("exit code 8") })
    #expect(try rows(result).compactMap { $0["verdict"] as? String } == ["good", "unusable", "unusable"])
  }

  @Test func theNextGPUIsTakenAndTheSkippedOneSaid() throws {
    let environment = try FaultyDriver.environment(["no-context", "gpu", "device-ids"], in: scratch)
    for device in ["auto", "gpu"] {
      let result = try explain(["--device", device], environment)
      expectExit(0, result)
      #expect(try usedDevice()["backend"] as? String == "OpenCL")
      let reason = try #require(try usedDevice()["reason"] as? String)
      #expect(reason.contains("Faulty GPU of Faulty Platform") && reason.contains("clCreateContext"), "\(reason)")
      #expect(reason.contains("clGetDeviceIDs"))
    }
    let rows = try rows(try run(["devices", "--json"], environment))
    #expect(rows.count { $0["isDefault"] as? Bool == true } == 1)
    #expect(rows.first { $0["isDefault"] as? Bool == true }?["platform"] as? String == TestDevice.first?.platform)
  }

  @Test func whatIsAProcessorTooIsNoGPU() throws {
    let environment = try FaultyDriver.environment(["all-types"], in: scratch)
    let result = try run(["devices", "--json"], environment)
    expectExit(0, result)
    let rows = try rows(result)
    #expect(rows[1]["kind"] as? String == "cpu" && rows[0]["isDefault"] as? Bool == true)
    expectExit(4, try explain(["--device", "gpu"], environment), complaint: "no OpenCL GPU")
  }

  @Test func aNameThatFitsTwoIsRefusedWithBoth() throws {
    let environment = try FaultyDriver.environment(
      ["no-context", "unavailable", FaultyDriver.sound], in: scratch, knowsSound: true)
    let both = try explain(["--device", "faulty gpu"], environment)
    expectExit(4, both, complaint: "fits 2 devices: ")
    let indices = try rows(try run(["devices", "--json"], environment)).filter { $0["name"] as? String == "Faulty GPU" }
      .compactMap { $0["index"] as? Int }
    #expect(indices.count == 2)
    for index in indices { #expect(both.errors.contains("[\(index)] Faulty Platform/Faulty GPU"), "\(both.errors)") }
    let sound = try #require(TestDevice.first)
    expectExit(0, try explain(["--device", "\(sound.platform)/\(sound.name)"], environment))
    #expect(try usedDevice()["platform"] as? String == sound.platform)
    expectExit(0, try explain(["--device", "native/threads"], environment))
    #expect(try usedDevice()["backend"] as? String == "native")
    expectExit(
      4, try explain(["--device", "nowhere/faulty"], environment), complaint: "no device of that index or name")
  }
}
