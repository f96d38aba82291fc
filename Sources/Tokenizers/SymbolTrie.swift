import Texts

/// Texts with numbers, by their prefixes.
struct SymbolTrie: Sendable {
  private struct Edge: Hashable {
    let node: Int32
    let scalar: UInt32
  }

  private var edges: [Edge: Int32] = [:]
  /// The number of the text that ends at a node, or -1.
  private var numbers: [Int32] = [-1]

  var isEmpty: Bool { edges.isEmpty }

  /// A text that is there already gets the new number; an empty one is left out.
  mutating func insert(_ text: some Sequence<Unicode.Scalar>, number: Int32) {
    var node: Int32 = 0
    for scalar in text {
      let edge = Edge(node: node, scalar: scalar.value)
      if let next = edges[edge] {
        node = next
      } else {
        numbers.append(-1)
        node = Int32(numbers.count - 1)
        edges[edge] = node
      }
    }
    if node != 0 { numbers[Int(node)] = number }
  }

  /// The number of the longest text that starts at `start`, and where it ends.
  func longest(in text: some RandomAccessCollection<Unicode.Scalar>, from start: Int) -> (number: Int32, end: Int)? {
    var node: Int32 = 0
    var found: (Int32, Int)?
    var index = text.index(text.startIndex, offsetBy: start)
    var position = start
    while index < text.endIndex, let next = edges[Edge(node: node, scalar: text[index].value)] {
      node = next
      index = text.index(after: index)
      position += 1
      if numbers[Int(node)] >= 0 { found = (numbers[Int(node)], position) }
    }
    Work.add(position - start + 1)
    return found
  }
}
