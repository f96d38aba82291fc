/// What a failure is about, the same in all rooms; the command's exit codes follow it.
public enum FailureKind: Sendable, CaseIterable {
  /// The request makes no sense, or none for this model or data set.
  case usage
  /// A model, an image, a data file or an output is missing, bad, or cannot be written.
  case input
  /// The device asked for cannot be used.
  case device
  /// Memory could not be had.
  case memory
  /// A run produced numbers that are not finite.
  case numerical
  /// Parts of one run are missing, or do not belong together.
  case inconsistent
}

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
