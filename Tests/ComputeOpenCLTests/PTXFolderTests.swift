import CFaultyOpenCL
import Compute
import Failures
import FoundationEssentials
import OpenCLRuntime
import TestSupport
import Testing

@testable import ComputeOpenCL

extension DriverTests {
  /// Programs that a release brings along for NVIDIA's drivers. In their place stand texts in OpenCL C with the plain
  /// functions, which the driver here takes for binaries.
  @Suite struct PTXFolderTests {
    let scratch: ScratchFolder

    init() throws { scratch = try ScratchFolder() }

    /// Runs `body` with a device that says it is NVIDIA's and whose compiler takes no instructions of theirs.
    private func withDevice<Result>(_ body: (OpenCLDevice) throws -> Result) throws -> Result {
      legrad_faulty_keep_programs(true)
      legrad_faulty_pose_as_nvidia(true)
      defer {
        legrad_faulty_keep_programs(false)
        legrad_faulty_pose_as_nvidia(false)
      }
      return try body(WatchedOpenCL.device())
    }

    private func folder(_ name: String) -> String { scratch.path + "/" + name }

    private func write(_ text: String, to name: String, in folder: String) throws {
      try FileManager.default.createDirectory(atPath: self.folder(folder), withIntermediateDirectories: true)
      _ = try scratch.write(Array(text.utf8), folder + "/" + name)
    }

    /// A folder as a release has it, with products in place of everything.
    private func release(
      _ name: String = "release", edit: (_ program: ProgramList.Program, _ text: String) -> String = { $1 }
    ) throws -> String {
      let products = ProgramList.all.filter { $0.program.files.last == "matmul_matrix" && $0.ptxName != nil }
      #expect(products.count == 3 * 4 * MatrixTile.all.count * 2)
      for product in products {
        let defines = product.program.options.split(separator: " ").filter { $0.hasPrefix("-D") }.map {
          "#define " + $0.dropFirst(2).replacing("=", with: " ").replacing("PLAIN 0", with: "PLAIN 1") + "\n"
        }
        let text = try (defines + KernelLibrary.sources(of: product.program.files)).joined()
        try write(edit(product.program, text), to: #require(product.ptxName), in: name)
      }
      return folder(name)
    }

    private func choice(on device: OpenCLDevice, ptx: String?) throws -> MatrixSelection.Choice {
      var options = OpenCLBackend.Options()
      options.ptxFolder = ptx
      return try MatrixSelection.choose(for: device, options: options)
    }

    private let instructions = MatrixSet(instructions: .nvidia, isPlain: false)

    @Test func areTakenWhereTheCompilerRefusesAndTheTrialIsContent() throws {
      let release = try release()
      try withDevice { device in
        // A folder without files: what was chosen without one is known from other tests' device of this name.
        let without = try choice(on: device, ptx: folder("empty"))
        #expect(without.set == .plain && without.problem?.description.contains("clBuildProgram") == true)
        let (with, counts) = try WatchedOpenCL.watch { try choice(on: device, ptx: release) }
        #expect(with.set == instructions && with.problem == nil)
        #expect(counts.calls(named: "clCreateProgramWithBinary") > 0)
      }
    }

    /// What the driver makes of them is kept like all programs.
    @Test func areAskedForOnce() throws {
      let release = try release()
      try withDevice { device in
        let kind = try #require(ProductKind.ofMatrices.first)
        let kernel = MatrixTile.all[2].kernel(kind, isWhole: false, instructions)
        func build(_ ptx: String?) throws -> [String] {
          try WatchedOpenCL.watch {
            let folders = KernelLibrary.Folders(cache: folder("cache"), ptx: ptx)
            return try KernelLibrary(OpenCLContext(device), folders: folders).kernel(kernel).name
          }.counts.calls.filter { $0.hasPrefix("clCreateProgramWith") }
        }
        #expect(try build(release) == ["clCreateProgramWithSource", "clCreateProgramWithBinary"])
      }
    }

    /// A program that computes wrongly, one that the driver refuses, none of these kernels, and no folder at all.
    @Test(arguments: ["wrong", "garbage", "empty", "other kernels", "missing"])
    func areNotTrusted(_ fault: String) throws {
      let release = try release(fault) { program, text in
        switch fault {
        case "wrong" where program.options.contains("SIDE_INPUTS=1"):
          text.replacing("float sum = strip[", with: "float sum = 1.5f * strip[")
        case "garbage": "\u{1}\u{2}"
        case "empty": ""
        default: text
        }
      }
      try write("no program", to: "0123.ptx", in: "other kernels of a release")
      let used =
        switch fault {
        case "missing": folder("nowhere")
        case "other kernels": folder("other kernels of a release")
        default: release
        }
      try withDevice { device in
        let choice = try choice(on: device, ptx: used)
        #expect(choice.set == .plain)
        let problem = choice.problem?.description ?? ""
        #expect(problem.contains(fault == "wrong" ? "where it is" : "clBuildProgram"), "\(problem)")
      }
    }

    @Test func areForNoOtherDevice() throws {
      let release = try release()
      let device = try WatchedOpenCL.device()
      #expect(PTXFolder.used(release, by: device) == nil)
      let kind = try #require(ProductKind.ofMatrices.first)
      let library = try KernelLibrary(OpenCLContext(device), folders: .init(ptx: release))
      let plain = MatrixTile.all[2].kernel(kind, isWhole: false, .plain)
      #expect(try library.kernel(plain).name == "matmul_matrix")
    }

    /// A verdict that was found without them says nothing of them.
    @Test func areAPartOfWhatIsTried() throws {
      let release = try release()
      func key(_ device: OpenCLDevice, _ folder: String?) throws -> String {
        try TrialRecord(.variant(.matrix), on: device, kernelFolder: nil, ptxFolder: folder).key
      }
      try withDevice { device in
        let keys = try [nil, release, folder("nowhere")].map { try key(device, $0) }
        #expect(keys[0] != keys[1] && keys[0] == keys[2])
      }
      let other = try WatchedOpenCL.device()
      let keys = try [nil, release].map { try key(other, $0) }
      #expect(keys[0] == keys[1])
    }

    /// Lack of memory passes, and is no word on a program.
    @Test func lackOfMemoryIsNotTheCompilers() {
      func error(_ call: String, _ status: OpenCLStatus) -> OpenCLError { OpenCLError(call: call, status: status) }
      #expect(error("clBuildProgram", .buildProgramFailure).isOfCompiler)
      #expect(!error("clBuildProgram", .outOfHostMemory).isOfCompiler)
      #expect(!error("clCreateKernel", .buildProgramFailure).isOfCompiler)
    }
  }
}
