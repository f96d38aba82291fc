/// The order in which a tower uses its weights, known before they are prepared, so that a backend whose memory they
/// exceed can bring them there in time.
public final class WeightSequence: Sendable {
  /// Groups that follow each other in every pass; after the last comes the first.
  public let groupCount: Int

  public init(groupCount: Int) {
    precondition(groupCount > 0, "a sequence needs groups")
    self.groupCount = groupCount
  }

  public func group(_ index: Int) -> WeightGroup { WeightGroup(sequence: self, index: index) }
}

/// Weights that are used together, such as those of one block. Groups of one sequence take like amounts of memory.
public struct WeightGroup: Sendable, Hashable {
  public let sequence: WeightSequence
  public let index: Int

  init(sequence: WeightSequence, index: Int) {
    precondition(index >= 0 && index < sequence.groupCount, "group \(index) of \(sequence.groupCount)")
    self.sequence = sequence
    self.index = index
  }

  /// The group that is used after this one.
  public var next: WeightGroup { sequence.group((index + 1) % sequence.groupCount) }

  public static func == (left: WeightGroup, right: WeightGroup) -> Bool {
    left.sequence === right.sequence && left.index == right.index
  }

  public func hash(into hasher: inout Hasher) {
    hasher.combine(ObjectIdentifier(sequence))
    hasher.combine(index)
  }
}
