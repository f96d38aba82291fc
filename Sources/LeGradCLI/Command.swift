import ArgumentParser
import Glibc
import LeGrad

/// The command `legrad`.
@main
struct Command: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "legrad",
    abstract: "Show where in an image a vision transformer finds a text.",
    discussion: """
      First steps:
        legrad demo
        legrad explain photo.jpg -p "a cat" -p "a dog" -m ViT-B-16

      Results go to standard output, everything else to standard error. Exit codes: 0 done, 1 some images failed, \
      2 usage, 3 bad or missing model or file, 4 device unusable, 5 out of memory, 6 numerical fault, \
      7 incomplete or inconsistent shards.
      """,
    version: Version.summary,
    subcommands: [
      ExplainCommand.self, DemoCommand.self, DevicesCommand.self, DoctorCommand.self, BenchmarkCommand.self,
      EvaluateCommand.self, MergeCommand.self, ModelCommand.self, TryDeviceCommand.self,
    ])

  static func main() {
    // A reader that closes early (`legrad … | head`) is no reason to die; writes then fail and are ignored.
    signal(SIGPIPE, SIG_IGN)
    Interruption.install()
    do {
      var command = try parseAsRoot()
      try command.run()
    } catch { end(error) }
  }

  /// Help and version go to standard output with exit code 0; any other error is one line on standard error.
  private static func end(_ error: any Error) -> Never {
    if let status = error as? ExitStatus {
      Glibc.exit(status.rawValue)
    }
    if exitCode(for: error).isSuccess {
      Terminal.out(message(for: error).isEmpty ? helpMessage() : fullMessage(for: error))
      Glibc.exit(ExitStatus.success.rawValue)
    }
    let failure = LeGradError(error, command: self)
    Terminal.error(failure.line)
    Glibc.exit(ExitStatus(failure.kind).rawValue)
  }
}

/// Thrown where everything has been said already and only the exit code is left.
extension ExitStatus: Error {}
