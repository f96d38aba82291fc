/// An error that says in one line what failed and what to do about it.
public protocol LegibleError: Error, CustomStringConvertible {
  var kind: FailureKind { get }
  var message: Message { get }
  /// Bytes that were needed, where memory was short and the number is known.
  var bytesNeeded: Int? { get }
}

extension LegibleError {
  public var bytesNeeded: Int? { nil }

  /// The message in the words of the Swift library.
  public var description: String { message.description }
}
