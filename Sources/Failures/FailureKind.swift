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
  /// The caller gave it up.
  case cancelled
}
