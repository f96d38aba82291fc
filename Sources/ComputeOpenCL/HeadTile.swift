package import Compute

/// What a work-group of attention on matrix units holds of a head: its own rows, and those of the other side that it
/// meets at a time; see `attention_matrix_tiles.cl`.
package struct HeadTile: Sendable, Hashable {
  package let rows: Int
  package let others: Int

  /// Bytes that tiles may have: OpenCL programs of NVIDIA's have 48 KB of local memory, of which some is for what the
  /// items of a query give each other.
  private static let most = 46 << 10

  /// From the most products for what is brought to local memory to the least.
  static let all = [
    HeadTile(rows: 64, others: 64), HeadTile(rows: 64, others: 32), HeadTile(rows: 32, others: 32),
    HeadTile(rows: 16, others: 32), HeadTile(rows: 16, others: 16),
  ]

  /// The first that has room for heads of `width` columns, whatever the device, so that all give the same bits; nil
  /// where heads are too wide for any.
  package static func best(width: Int, precision: Precision) -> HeadTile? {
    all.first { $0.tileBytes(width: width, precision) <= most }
  }

  func warps(_ instructions: MatrixInstructions) -> (rows: Int, columns: Int) {
    // Warps of few lanes are twice as many.
    (rows / 16, 64 / rows * (instructions.isIntel ? 2 : 1))
  }

  func items(_ set: MatrixSet) -> Int {
    let warps = warps(set.instructions)
    return warps.rows * warps.columns * set.instructions.warp
  }

  /// Bytes of local memory of a group.
  func localMemory(width: Int, precision: Precision, _ set: MatrixSet) -> Int {
    let items = items(set)
    return tileBytes(width: width, precision) + 4 * (items + rows)
      + (set.isPlain ? 4 * items * set.instructions.exchangedWords : 4)
  }

  /// Bytes of the rows' parts and of a map.
  private func tileBytes(width: Int, _ precision: Precision) -> Int {
    let headBytes = 2 * precision.headParts * (Self.paddedWidth(width) + 8)
    return (rows + others) * headBytes + 4 * rows * (others + 8)
  }

  /// The kernel of `program`, by what it is built with.
  /// - Parameter isWhole: whether rows of every head start at multiples of four floats and have a multiple of eight.
  func kernel(
    _ program: AttentionProgram.OnMatrixUnits, width: Int, precision: Precision, isWhole: Bool, _ set: MatrixSet
  ) -> KernelIdentifier {
    let warps = warps(set.instructions)
    var defines = [
      AttentionProgram.widthDefine: Self.paddedWidth(width), "STORAGE": precision.headParts == 2 ? 3 : 2,
      "TILE_M": rows, "TILE_N": others, "WARPS_M": warps.rows, "WARPS_N": warps.columns, "WHOLE": isWhole ? 1 : 0,
      "PLAIN": set.isPlain ? 1 : 0,
    ]
    if set.instructions.isIntel { defines["WARP"] = set.instructions.warp }
    return KernelIdentifier(
      program.rawValue, on: ["matmul_tiles", "matrix_tiles", set.instructions.file, "attention_matrix_tiles"], .matrix,
      defines)
  }

  private static func paddedWidth(_ width: Int) -> Int { width.roundedUp(to: 16) }
}

extension Precision {
  /// Parts of bfloat16 that attention on matrix units takes its operands in. float16 would need factors for rows of both
  /// operands and for tiles of values; two parts are more exact, and have float32's range.
  package var headParts: Int { self == .bf16 ? 1 : 2 }
}
