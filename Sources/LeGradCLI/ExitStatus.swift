import ArgumentParser
import Failures
import LeGrad

enum ExitStatus: Int32, Sendable {
  case success = 0
  /// Some images failed, which are listed while the rest are done; or results did not reach standard output; or work was
  /// given up.
  case someFailed = 1
  case usage = 2
  /// A model or a file is missing, bad, or cannot be written.
  case badFile = 3
  case deviceUnusable = 4
  case outOfMemory = 5
  case numericalFault = 6
  /// Shards of an evaluation are missing, or do not belong together.
  case inconsistentShards = 7
}

extension ExitStatus {
  init(_ kind: FailureKind) {
    self =
      switch kind {
      case .usage: .usage
      case .input: .badFile
      case .device: .deviceUnusable
      case .memory: .outOfMemory
      case .numerical: .numericalFault
      case .inconsistent: .inconsistentShards
      case .cancelled: .someFailed
      }
  }
}

extension LeGradError {
  static func usage(_ message: Message) -> LeGradError { LeGradError(.usage, message) }
  static func badFile(_ message: Message) -> LeGradError { LeGradError(.input, message) }

  /// Whatever a command threw, other than requests for help.
  init(_ error: any Error, command: any ParsableCommand.Type) {
    if let error = error as? any LegibleError {
      self.init(error)
      return
    }
    let message = command.message(for: error)
    let sentence = message.hasSuffix(".") ? String(message.dropLast()) : message
    self = .usage("\(sentence); see '\(Self.help(of: command)) --help'")
  }

  /// The command that the process was called with, as far as its names are known.
  private static func help(of command: any ParsableCommand.Type) -> String {
    var words = [command._commandName]
    var level = command
    for argument in CommandLine.arguments.dropFirst() {
      guard let next = level.configuration.subcommands.first(where: { $0._commandName == argument }) else { break }
      words.append(argument)
      level = next
    }
    return words.joined(separator: " ")
  }

  /// The message in the words of the command, without line breaks, which those of the argument parser may have.
  var line: String {
    message.advice.split(whereSeparator: \.isNewline).map { $0.trimmingSpaces() }.joined(separator: " ")
  }
}
