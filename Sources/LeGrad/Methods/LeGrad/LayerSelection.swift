import Failures

/// Which blocks LeGrad sums over.
public enum LayerSelection: Sendable, Hashable, CustomStringConvertible {
  case all
  /// The last `count` blocks; the public code's default is 2.
  case last(Int)
  /// Blocks of a 0-based, inclusive range.
  case range(ClosedRange<Int>)

  /// Reads `all`, `last:N` or `A..B`; nil for anything else.
  public init?(_ text: String) {
    if text == "all" {
      self = .all
    } else if text.hasPrefix("last:") {
      guard let count = Int(text.dropFirst(5)), count > 0 else { return nil }
      self = .last(count)
    } else {
      let ends = text.split(separator: ".", omittingEmptySubsequences: false)
      guard ends.count == 3, ends[1].isEmpty, let first = Int(ends[0]), let last = Int(ends[2]), first >= 0,
        last >= first
      else { return nil }
      self = .range(first...last)
    }
  }

  public var description: String {
    switch self {
    case .all: "all"
    case .last(let count): "last:\(count)"
    case .range(let range): "\(range.lowerBound)..\(range.upperBound)"
    }
  }

  /// The blocks of a tower of `layers` blocks, or an error that names how many there are.
  public func blocks(of layers: Int) throws(LeGradError) -> Range<Int> {
    switch self {
    case .all:
      return 0..<layers
    case .last(let count):
      guard count <= layers else {
        throw LeGradError(
          .usage, "\(Subject.layers) \(self): the model has \(layers) blocks; ask for at most last:\(layers)")
      }
      return layers - count..<layers
    case .range(let range):
      guard range.upperBound < layers else {
        throw LeGradError(.usage, "\(Subject.layers) \(self): the model has blocks 0..\(layers - 1)")
      }
      return range.lowerBound..<range.upperBound + 1
    }
  }
}
