/// The order in which a tower uses its weights, known before they are prepared, so that a backend whose memory they
/// exceed can bring them there in time.
public final class WeightSequence: Sendable {
  /// Groups that follow each other in every pass; after the last comes the first, or a walk back to it.
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

  /// The group that is used after this one in a forward.
  public var next: WeightGroup { sequence.group((index + 1) % sequence.groupCount) }

  /// The group that is likely to be used after this one: a walk back from `last` goes on to the first group, after
  /// which a forward begins; all else is a forward.
  public func next(after last: WeightGroup?) -> WeightGroup {
    let walksBack = last.map { $0.sequence === sequence && $0.index == index + 1 } ?? false
    return walksBack && index > 0 ? sequence.group(index - 1) : next
  }

  public static func == (left: WeightGroup, right: WeightGroup) -> Bool {
    left.sequence === right.sequence && left.index == right.index
  }

  public func hash(into hasher: inout Hasher) {
    hasher.combine(ObjectIdentifier(sequence))
    hasher.combine(index)
  }
}
