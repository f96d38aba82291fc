extension BytePairVocabulary {
  /// The ids of one piece of text: its bytes' symbols, the last with the end-of-word mark, merged lowest rank first.
  ///
  /// Takes time n log n: pairs that can merge wait in a heap ordered by rank and then position.
  /// All merges of one rank are done, left to right, before any pair that they made is looked at, as OpenCLIP does.
  func ids(ofPiece bytes: [UInt8]) -> [Int32] {
    guard let last = bytes.last else { return [] }
    var symbols = bytes.dropLast().map { byteIDs[Int($0)] } + [finalByteIDs[Int(last)]]
    // Doubly linked by position; -1 is no neighbour. A symbol merged into its left neighbour becomes `gone`.
    var next = Array(1...symbols.count)
    next[symbols.count - 1] = -1
    var previous = Array(-1..<(symbols.count - 1))
    let gone: Int32 = -1
    var heap = MergeHeap()
    func candidate(at left: Int) -> (MergeHeap.Entry, Merge)? {
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
      while let entry = heap.first, entry.rank == rank {
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
      entries.swapAt(least, parent)
      parent = least
    }
  }
}
