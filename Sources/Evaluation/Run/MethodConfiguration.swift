public import LeGrad

/// A method with what it was told, under a name that no other way of running it has.
public struct MethodConfiguration: Sendable, Equatable {
  public let method: Method

  public init(_ method: Method) { self.method = method }

  /// Such as `legrad last:2 mean`, `rollout from 2` or `gradcam`.
  public var label: String {
    switch method {
    case .legrad(let layers, let readout): "\(method.name) \(layers) \(readout.rawValue)"
    case .rollout(let start) where start != 1: "\(method.name) from \(start)"
    default: method.name
    }
  }

  /// The configuration of a label; nil for any other text.
  public init?(label: String) {
    let words = label.split(separator: " ", omittingEmptySubsequences: false).map(String.init)
    guard let method = Method.all.first(where: { $0.name == words[0] }) else { return nil }
    switch method {
    case .legrad where words.count == 3:
      guard let layers = LayerSelection(words[1]), let readout = Readout(rawValue: words[2]) else { return nil }
      self.init(.legrad(layers: layers, readout: readout))
    case .rollout where words.count == 3 && words[1] == "from":
      guard let start = Int(words[2]) else { return nil }
      self.init(.rollout(start: start))
    default: self.init(method)
    }
    guard self.label == label else { return nil }
  }
}
