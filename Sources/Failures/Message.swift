/// A line for people, which keeps apart what it names of the request (`Subject`): who prints it says how that is
/// called.
///
/// An interpolated subject or message stays what it is; everything else becomes text.
public struct Message: Equatable, Sendable, ExpressibleByStringInterpolation, CustomStringConvertible {
  private enum Part: Equatable {
    case text(String)
    case subject(Subject)
  }

  private var parts: [Part]

  public init(_ text: String) { parts = text.isEmpty ? [] : [.text(text)] }

  public init(stringLiteral text: String) { self.init(text) }

  public init(stringInterpolation: StringInterpolation) { self = stringInterpolation.message }

  /// Equal lines have equal parts: text beside text is one.
  private mutating func append(_ part: Part) {
    if case .text(let more) = part, case .text(let text) = parts.last {
      parts[parts.count - 1] = .text(text + more)
    } else {
      parts.append(part)
    }
  }

  private mutating func append(_ message: Message) {
    for part in message.parts { append(part) }
  }

  /// What the line names of the request, in the order of the line.
  public var subjects: [Subject] {
    parts.compactMap { part in
      guard case .subject(let subject) = part else { return nil }
      return subject
    }
  }

  /// The line, with `name` for each subject.
  public func text(_ name: (Subject) -> String) -> String {
    var line = ""
    for part in parts {
      switch part {
      case .text(let text): line += text
      case .subject(let subject): line += name(subject)
      }
    }
    return line
  }

  /// The line in the words of the Swift library.
  public var description: String { text(\.rawValue) }

  /// The line with its text, as far as it is no subject, changed.
  package func mapText(_ change: (String) -> String) -> Message {
    var message = self
    message.parts = parts.map { part in
      guard case .text(let text) = part else { return part }
      return .text(change(text))
    }
    return message
  }

  public static func + (left: Message, right: Message) -> Message { "\(left)\(right)" }

  /// The messages in one line.
  package static func joined(_ messages: some Sequence<Message>, separator: String) -> Message {
    messages.reduce(nil) { line, message in line.map { "\($0)\(separator)\(message)" } ?? message } ?? ""
  }

  public struct StringInterpolation: StringInterpolationProtocol {
    fileprivate var message = Message("")

    public init(literalCapacity: Int, interpolationCount: Int) {}

    public mutating func appendLiteral(_ text: String) { message.append(Message(text)) }

    public mutating func appendInterpolation(_ subject: Subject) { message.append(.subject(subject)) }

    public mutating func appendInterpolation(_ part: Message) { message.append(part) }

    public mutating func appendInterpolation(_ error: any Error) {
      message.append((error as? any LegibleError)?.message ?? Message(String(describing: error)))
    }

    public mutating func appendInterpolation(_ value: some CustomStringConvertible) {
      message.append(Message(value.description))
    }
  }
}
