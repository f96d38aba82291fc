import Failures
import Files

/// A text file of prompts, one per line.
enum PromptsFile {
  static let sizeLimit = 64 << 20

  /// The lines, with an empty last one dropped and line ends of either kind removed; a line is used as it is.
  static func read(_ path: String) throws(Failure) -> [String] {
    let bytes = try contents(path)
    guard let text = String(validating: bytes, as: UTF8.self) else {
      throw .badFile("\(path): prompts file: expected UTF-8 text, found other bytes; save it as UTF-8")
    }
    var lines = text.split(omittingEmptySubsequences: false) { $0 == "\n" || $0 == "\r\n" }.map(String.init)
    if lines.first?.first == "\u{FEFF}" { lines[0].removeFirst() }
    if lines.last?.isEmpty ?? false { lines.removeLast() }
    guard !lines.isEmpty else {
      throw .badFile("\(path): prompts file: expected one prompt a line, found an empty file")
    }
    if let empty = lines.firstIndex(where: { $0.allSatisfy(\.isWhitespace) }) {
      throw .badFile("\(path): line \(empty + 1): expected a prompt, found an empty line; remove it")
    }
    return lines
  }

  private static func contents(_ path: String) throws(Failure) -> [UInt8] {
    do {
      return try WholeFile.read(path, limit: sizeLimit, allowingPipes: true)
    } catch {
      switch error.rule {
      case .tooLarge: throw .badFile("\(path): prompts file: expected at most \(sizeLimit) bytes, found more; split it")
      case .notRegular: throw .badFile("\(path): the prompts file cannot be read: \(error.found); check the path")
      default:
        let failure = error.rule == .unreadable ? "read" : "opened"
        throw .badFile("\(path): the prompts file cannot be \(failure): \(error.found); check the path")
      }
    }
  }
}
