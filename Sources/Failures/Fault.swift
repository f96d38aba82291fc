/// What is wrong with something that came from outside, in one line: the file, the place in it, what was expected, what
/// was found, and what to do about it.
public struct Fault<Rule: FaultRule>: LegibleError, Equatable {
  /// The rule that was broken.
  public let rule: Rule
  /// The path, or the name that the caller gave to the bytes.
  public let file: String
  /// Where in the file, or in which step; nil where the file says it.
  public let place: String?
  public let expected: String
  public let found: String
  public let remedy: Message

  package init(
    _ rule: Rule, file: String, place: String? = nil, expected: String, found: String, remedy: Message
  ) {
    self.rule = rule
    self.file = file
    self.place = place
    self.expected = expected
    self.found = found
    self.remedy = remedy
  }

  /// A fault of a lower room, under a rule of this one.
  package init<Lower>(_ rule: Rule, _ fault: Fault<Lower>) {
    self.init(
      rule, file: fault.file, place: fault.place, expected: fault.expected, found: fault.found, remedy: fault.remedy)
  }

  public var kind: FailureKind { rule.kind }

  public var message: Message {
    .fault(file: file, place: place, expected: expected, found: Message(found), remedy: remedy)
  }
}

/// The rules that a format or a room knows, for programs.
public protocol FaultRule: Equatable, Sendable {
  var kind: FailureKind { get }
}

extension FaultRule {
  public var kind: FailureKind { .input }
}

extension Message {
  /// `file: place: expected …, found …; remedy`, fit for one line of a terminal: control characters are escaped and
  /// long parts cut.
  package static func fault(
    file: String, place: String? = nil, expected: String, found: Message, remedy: Message
  ) -> Message {
    var start = printable(file, limit: 4_096) + ": "
    if let place { start += printable(place, limit: 200) + ": " }
    start += "expected \(printable(expected, limit: 600)), found "
    return "\(start)\(found.mapText { printable($0, limit: 200) }); \(remedy.mapText { printable($0, limit: 1_200) })"
  }
}
