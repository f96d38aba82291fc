import ArgumentParser
import ComputeOpenCL
import Glibc
import OpenCLRuntime

/// What this program runs as a process of its own where a driver may end it or never answer.
struct TryDeviceCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: TrialProcess.subcommand, abstract: "Try kernels on an OpenCL device.", shouldDisplay: false)

  @Argument(parsing: .allUnrecognized)
  var request: [String]

  func run() throws {
    Self.endWithParent()
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

  /// Ends this process, and what a driver started for it, when standard input does: the process that waits is gone.
  private static func endWithParent() {
    var thread = pthread_t()
    let status = unsafe pthread_create(
      &thread, nil,
      { _ in
        var byte: UInt8 = 0
        while true {
          let count = unsafe read(STDIN_FILENO, &byte, 1)
          guard count > 0 || (count < 0 && errno == EINTR) else { break }
        }
        kill(0, SIGKILL)
        return nil
      }, nil)
    if status == 0 { pthread_detach(thread) }
  }
}
