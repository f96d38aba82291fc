import Compute
import OpenCLRuntime
import TestSupport
import Testing

@testable import ComputeOpenCL

/// What `make gpu-lint` compiles is what the launchers ask for: suites that run operations would end at a program that
/// the list lacks.
struct ProgramListTests {
  @Test func aProgramThatIsNotListedIsNotLaunched() async {
    #expect(!ProgramList.contains(KernelIdentifier("copy", .portable, ["SPAN": 3])))
    #expect(
      !ProgramList.contains(KernelIdentifier("attention", on: ["attention_tiles"], .portable, ["HEAD_WIDTH": 24])))
    #expect(!ProgramList.contains(KernelIdentifier("matmul", .portable, ["TILE_M": 64])))
    await #expect(processExitsWith: .failure) {
      guard let device = TestDevice.first else { return }
      let library = KernelLibrary(try OpenCLContext(device), folders: .init())
      _ = try library.kernel(KernelIdentifier("copy", .portable, ["SPAN": 3]))
    }
  }

  @Test func headsOfAnyWidthAreListed() {
    for program in AttentionProgram.all {
      #expect(ProgramList.contains(program.portableKernel(headWidth: 8, isAligned: true, function: "one of several")))
      #expect(ProgramList.contains(program.portableKernel(headWidth: 260, isAligned: false)))
    }
    for program in AttentionProgram.OnMatrixUnits.allCases {
      let tile = HeadTile(rows: 16, others: 16)
      let kernel = tile.kernel(program, width: 260, precision: .f16, isWhole: false, .plain)
      #expect(ProgramList.contains(kernel))
      #expect(!ProgramList.contains(tile.kernel(program, width: 64, precision: .f16, isWhole: false, .plain)))
    }
  }

  @Test func noProgramIsListedTwice() {
    #expect(Set(ProgramList.all.map(\.program)).count == ProgramList.all.count)
  }
}
