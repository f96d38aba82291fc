/// Part `index` of `count` of a run, counted from 0. Written `index/count`.
package struct Shard: Hashable, Sendable, CustomStringConvertible {
  package let index, count: Int

  package static let whole = Shard(checkedIndex: 0, count: 1)

  /// A run is split into no more parts.
  package static let maximumCount = 1_000_000

  /// Nil unless 0 ≤ `index` < `count` ≤ `maximumCount`.
  package init?(index: Int, count: Int) {
    guard index >= 0, index < count, count <= Self.maximumCount else { return nil }
    self.init(checkedIndex: index, count: count)
  }

  /// Reads `i/n`, two decimal numbers with 0 ≤ i < n; nil for any other text.
  package init?(argument: String) {
    let parts = argument.split(separator: "/", omittingEmptySubsequences: false)
    guard parts.count == 2, let index = Self.number(parts[0]), let count = Self.number(parts[1]) else { return nil }
    self.init(index: index, count: count)
  }

  private init(checkedIndex index: Int, count: Int) {
    self.index = index
    self.count = count
  }

  package var description: String { "\(index)/\(count)" }

  /// The places in a manifest of `count` images that the shard computes, ascending: every `self.count`-th, so that all
  /// shards together have each exactly once and a stretch of images that take long is shared by all. Empty for some
  /// where there are more shards than images.
  package func items(of count: Int) -> [Int] { Array(stride(from: index, to: count, by: self.count)) }

  /// Whether the place `item` in a manifest of `count` images is the shard's.
  func contains(_ item: Int, of count: Int) -> Bool { item >= 0 && item < count && item % self.count == index }

  /// A number of up to nine decimal digits and nothing else.
  static func number(_ text: some StringProtocol) -> Int? {
    guard (1...9).contains(text.utf8.count), text.utf8.allSatisfy({ (0x30...0x39).contains($0) }) else { return nil }
    return Int(text)
  }
}
