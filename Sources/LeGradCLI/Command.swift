import ArgumentParser
import Files
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

      Results go to standard output, everything else to standard error. Exit codes: 0 done, 1 some images failed \
      or results did not arrive, 2 usage, 3 bad or missing model or file, 4 device unusable, 5 out of memory or of files \
      that may be open, 6 numerical fault, 7 incomplete or inconsistent shards.

      Built kernels, hashes of weight files and rows of classes are kept in ~/.cache/legrad, or in the folder \
      LEGRAD_CACHE; with LEGRAD_CACHE= nothing is.
      """,
    version: Version.summary,
    subcommands: [
      ExplainCommand.self, DemoCommand.self, DevicesCommand.self, DoctorCommand.self, BenchmarkCommand.self,
      EvaluateCommand.self, MergeCommand.self, ModelCommand.self, TryDeviceCommand.self,
      DecodePicturesCommand.self, ReadHDF5Command.self,
    ])

  static func main() {
    StandardDescriptors.open()
    // A reader that closes early is no reason to leave files unwritten: writes then fail.
    signal(SIGPIPE, SIG_IGN)
    do {
      try MemoryStart.settle()
    } catch { end(error) }
    Interruption.install()
    do {
      var command = try parseAsRoot(arguments.dropFirst().flatMap(Self.parted))
      try command.run()
    } catch { end(error) }
    end(.success)
  }

  /// What the process was called with, names of files whole: `CommandLine.arguments` has others in place of bytes that
  /// are not UTF-8.
  private static var arguments: [String] {
    (0..<Int(CommandLine.argc)).compactMap { place in
      unsafe CommandLine.unsafeArgv[place].map { unsafe FilePath(cString: $0).text }
    }
  }

  /// `--option=value` in two where a mark that combines with `=` begins the value: the parser would take both for one
  /// character, and the option for an unknown one. Such a value is none that begins with a dash.
  private static func parted(_ argument: String) -> [String] {
    let scalars = argument.unicodeScalars
    guard argument.hasPrefix("--"), let sign = scalars.firstIndex(of: "="),
      argument.firstIndex(of: "=").map({ $0 > sign }) ?? true
    else { return [argument] }
    return [String(scalars[..<sign]), String(scalars[scalars.index(after: sign)...])]
  }

  /// Says what was lost of the results, which is a failure of its own. Where their reader closed early, the process
  /// ends as its signal would have ended it.
  private static func end(_ status: ExitStatus) -> Never {
    let delivery = Terminal.closeOutput()
    if let fault = delivery.fault { Terminal.error(fault.advice) }
    switch (status, delivery) {
    case (.success, .lost): Glibc.exit(ExitStatus.someFailed.rawValue)
    case (.success, .unread): Interruption.die(of: SIGPIPE)
    default: Glibc.exit(status.rawValue)
    }
  }

  /// Help and version go to standard output with exit code 0; any other error is one line on standard error.
  private static func end(_ error: any Error) -> Never {
    if let status = error as? ExitStatus { end(status) }
    if exitCode(for: error).isSuccess {
      Terminal.out(message(for: error).isEmpty ? helpMessage() : fullMessage(for: error))
      end(.success)
    }
    let failure = LeGradError(error, command: self)
    Terminal.error(failure.line)
    end(ExitStatus(failure.kind))
  }
}

/// Thrown where everything has been said already and only the exit code is left.
extension ExitStatus: Error {}
