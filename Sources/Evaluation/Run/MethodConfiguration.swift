package import LeGrad

/// A method with what it was told, under a name that no other way of running it has.
package struct MethodConfiguration: Sendable, Equatable {
  package let method: Method

  package init(_ method: Method) { self.method = method }

  /// Such as `legrad last:2 mean`, `rollout from 2` or `gradcam`.
  package var label: String { method.label }

  /// The configuration of a label; nil for any other text.
  package init?(label: String) {
    guard let method = Method(label: label) else { return nil }
    self.init(method)
  }
}
