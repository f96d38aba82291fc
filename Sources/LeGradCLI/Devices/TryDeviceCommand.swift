import ArgumentParser
import ComputeOpenCL
import Glibc
import OpenCLRuntime
import Processes

/// What this program runs as a process of its own where a driver may end it or never answer.
struct TryDeviceCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: TrialProcess.subcommand, abstract: "Try kernels on an OpenCL device.", shouldDisplay: false)

  @Argument(parsing: .allUnrecognized)
  var request: [String]

  func run() throws {
    AskingProcess.endWithIt()
    guard request != [DriverSearch.request] else {
      DriverSearch.answer { Terminal.out($0) }
      // What a driver does at the end of a process is another matter.
      _exit(0)
    }
    guard let request = TrialProcess.Request(arguments: request) else {
      throw ValidationError("expected what another process of this program passes")
    }
    let devices = try OpenCLLibrary.system().devices()
    guard devices.indices.contains(request.position) else { throw ExitStatus.deviceUnusable }
    try TrialProcess.answer(request, devices[request.position]) { Terminal.out($0) }
  }
}
