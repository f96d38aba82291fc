/// Operations that were given once, and run again without being given: on what their matrices hold by then.
public protocol RecordedOperations: Sendable {
  /// Does them behind what was given before. False where that cannot be any more, and nothing was done.
  func run() -> Bool
}

extension Backend {
  /// Most backends have nothing to gain by it.
  public func record(_ body: () throws(BackendError) -> Void) -> (any RecordedOperations)? { nil }
}
