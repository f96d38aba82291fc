import Compute
package import ComputeOpenCL

/// What a device's matrix units add to its machine: products of weights and attention by the matrix kernels, whose tiles,
/// loops and rates are others than those of the portable ones.
package struct MatrixUnits: Sendable {
  /// What the inner loops make of the units.
  package struct Loops: Sendable {
    package let products: [GroupMachine.Tile: GroupMachine.Loop]
    let attention, relevance: GroupMachine.Loop

    package init(
      products: [GroupMachine.Tile: GroupMachine.Loop], attention: GroupMachine.Loop, relevance: GroupMachine.Loop
    ) {
      self.products = products
      self.attention = attention
      self.relevance = relevance
    }
  }

  /// Whose instructions the kernels have.
  let instructions: MatrixInstructions
  /// Multiply-adds of 16-bit operands of a unit in a cycle.
  let multiplyAdds: Double
  /// Bytes per second that all units together get of the cache that they share.
  let cacheBandwidth: Double
  /// Bytes of local memory that a group may have.
  let localMemory: Int
  /// Of operands in one part, and in two, whose product is three.
  package let inOnePart, inTwoParts: Loops

  package init(
    instructions: MatrixInstructions, multiplyAdds: Double, cacheBandwidth: Double, localMemory: Int, inOnePart: Loops,
    inTwoParts: Loops
  ) {
    self.instructions = instructions
    self.multiplyAdds = multiplyAdds
    self.cacheBandwidth = cacheBandwidth
    self.localMemory = localMemory
    self.inOnePart = inOnePart
    self.inTwoParts = inTwoParts
  }
}

/// Matrix units in one precision.
struct MatrixUse: Sendable {
  let units: MatrixUnits
  let precision: Precision

  /// Products that stand for one of float32 operands, and the loops that have them.
  var forProducts: (count: Double, loops: MatrixUnits.Loops) { parts(precision == .bf16Split ? 2 : 1) }
  var forHeads: (count: Double, loops: MatrixUnits.Loops) { parts(precision.headParts) }

  private func parts(_ count: Int) -> (count: Double, loops: MatrixUnits.Loops) {
    count == 1 ? (1, units.inOnePart) : (3, units.inTwoParts)
  }

  func tile(rows: Int, columns: Int, parts: Int, computeUnits: Int) -> MatrixTile {
    MatrixTile.best(
      rows: rows, columns: columns, parts: parts, precision: precision, set: set, computeUnits: computeUnits,
      localMemory: units.localMemory)
  }

  /// Elements of the inner dimension in a step of a product.
  func depth(of tile: MatrixTile) -> Int { tile.depth(precision, set) }

  /// Bytes that a group reads once more of each row of its left operand and element of the depth, to find the factors
  /// that bring rows into float16's range.
  var factorBytes: Double { precision == .f16 ? 4 : 0 }

  /// Bytes of the weight's elements.
  var weightBytes: Double { Double(precision.bytes) }

  private var set: MatrixSet { MatrixSet(instructions: units.instructions, isPlain: false) }
}
