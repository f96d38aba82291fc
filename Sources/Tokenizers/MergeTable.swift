import Failures
import Texts

/// Which pairs of neighbouring symbols join, and to what.
struct MergeTable: Sendable {
  struct Merge: Sendable, Equatable {
    /// Lower ranks merge first.
    let rank: Int32
    /// The id of the joined symbol.
    let joined: Int32
  }

  /// When a pair that a merge has made is looked at.
  enum Order: Sendable {
    /// After all merges of the rank in hand, left to right: OpenCLIP's.
    case rankByRank
    /// At once, which matters where it has a lower rank: Hugging Face's (tokenizers 0.23).
    case immediate
  }

  private let merges: [UInt64: Merge]

  /// - Parameters:
  ///   - pairs: of symbols, first rank first.
  ///   - id: of a symbol, nil for one that the vocabulary lacks.
  ///   - file: where the pairs came from, for errors.
  /// - Throws: `.unknownSymbol`, `.duplicateMerge`.
  init(
    _ pairs: [(left: String, right: String)], file: String, id: (String) -> Int32?
  ) throws(TokenizerError) {
    var table: [UInt64: Merge] = [:]
    table.reserveCapacity(pairs.count)
    func known(_ symbol: String, rank: Int) throws(TokenizerError) -> Int32 {
      guard let id = id(symbol) else {
        throw TokenizerError(
          .unknownSymbol, file: file, expected: "merge \(rank + 1) to join tokens of the vocabulary",
          found: "\(quotation(symbol)), which is none", remedy: "use vocabulary and merges of the same tokenizer")
      }
      return id
    }
    for (rank, pair) in pairs.enumerated() {
      let (left, right) = (try known(pair.left, rank: rank), try known(pair.right, rank: rank))
      let merge = Merge(rank: Int32(rank), joined: try known(pair.left + pair.right, rank: rank))
      if let earlier = table.updateValue(merge, forKey: Self.key(left, right)) {
        throw TokenizerError(
          .duplicateMerge, file: file, expected: "every merge once",
          found: "\(quotation(pair.left + " " + pair.right)) as merge \(earlier.rank + 1) and \(rank + 1)",
          remedy: TokenizerRule.replaceFile)
      }
    }
    merges = table
  }

  /// What becomes of two neighbouring symbols, if anything.
  private func merge(_ left: Int32, _ right: Int32) -> Merge? { merges[Self.key(left, right)] }

  private static func key(_ left: Int32, _ right: Int32) -> UInt64 {
    UInt64(UInt32(bitPattern: left)) << 32 | UInt64(UInt32(bitPattern: right))
  }

  /// What the symbols of one piece of text become, merged lowest rank first, leftmost first among equals.
  ///
  /// Takes time n log n: pairs that can merge wait in a heap ordered by rank and then position.
  func joined(_ symbols: [Int32], order: Order) -> [Int32] {
    guard symbols.count > 1 else { return symbols }
    var symbols = symbols
    // Doubly linked by position; -1 is no neighbour. A symbol merged into its left neighbour becomes `gone`.
    var next = Array(1...symbols.count)
    next[symbols.count - 1] = -1
    var previous = Array(-1..<(symbols.count - 1))
    let gone: Int32 = -1
    var heap = MergeHeap()
    func candidate(at left: Int) -> (MergeHeap.Entry, Merge)? {
      Work.add(1)
      guard symbols[left] != gone, next[left] >= 0, let merge = merge(symbols[left], symbols[next[left]])
      else { return nil }
      return (MergeHeap.Entry(rank: merge.rank, position: left), merge)
    }
    for left in symbols.indices {
      if let (entry, _) = candidate(at: left) { heap.push(entry) }
    }

    var touched: [Int] = []
    while let rank = heap.first?.rank {
      touched.removeAll(keepingCapacity: true)
      while let entry = heap.first, entry.rank == rank, order == .rankByRank || touched.isEmpty {
        heap.removeFirst()
        // The pair may have gone since it was pushed.
        guard let (current, merge) = candidate(at: entry.position), current.rank == rank else { continue }
        let right = next[entry.position]
        symbols[entry.position] = merge.joined
        symbols[right] = gone
        next[entry.position] = next[right]
        if next[right] >= 0 { previous[next[right]] = entry.position }
        touched.append(entry.position)
      }
      for position in touched {
        if let (entry, _) = candidate(at: position) { heap.push(entry) }
        if previous[position] >= 0, let (entry, _) = candidate(at: previous[position]) { heap.push(entry) }
      }
    }
    return symbols.filter { $0 != gone }
  }
}

/// A binary heap of possible merges, lowest rank first and leftmost first among equals.
private struct MergeHeap {
  struct Entry: Comparable {
    let rank: Int32
    let position: Int

    static func < (a: Entry, b: Entry) -> Bool { (a.rank, a.position) < (b.rank, b.position) }
  }

  private var entries: [Entry] = []

  var first: Entry? { entries.first }

  mutating func push(_ entry: Entry) {
    entries.append(entry)
    var child = entries.count - 1
    while child > 0, entries[child] < entries[(child - 1) / 2] {
      Work.add(1)
      entries.swapAt(child, (child - 1) / 2)
      child = (child - 1) / 2
    }
  }

  mutating func removeFirst() {
    entries.swapAt(0, entries.count - 1)
    entries.removeLast()
    var parent = 0
    while true {
      let children = (2 * parent + 1)..<min(2 * parent + 3, max(entries.count, 2 * parent + 1))
      guard let least = children.min(by: { entries[$0] < entries[$1] }), entries[least] < entries[parent]
      else { return }
      Work.add(1)
      entries.swapAt(least, parent)
      parent = least
    }
  }
}
