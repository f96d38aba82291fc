import Compute

/// The tile of the output that a work-group of the portable product computes, and an item's part of it.
package struct PortableTile: Sendable {
  package let rows: Int
  package let columns: Int
  let itemRows: Int
  let itemColumns: Int
  /// The part of the arithmetic units' time that computes, as far as it is known from other programs' tiles.
  private let efficiency: Double

  package static let all = [
    PortableTile(rows: 128, columns: 128, itemRows: 8, itemColumns: 8, efficiency: 1),
    PortableTile(rows: 64, columns: 64, itemRows: 4, itemColumns: 8, efficiency: 0.8),
    PortableTile(rows: 32, columns: 64, itemRows: 4, itemColumns: 4, efficiency: 0.6),
    PortableTile(rows: 16, columns: 64, itemRows: 4, itemColumns: 4, efficiency: 0.4),
  ]

  /// The tile with the least time, counted in rounds of one group per compute unit: large tiles reuse more of what they
  /// fetch, small ones leave less of the device idle and of themselves empty. All give the same bits.
  package static func best(rows: Int, columns: Int, computeUnits: Int) -> PortableTile {
    func time(_ tile: PortableTile) -> Double {
      let groups = tile.count(rows, tile.rows) * tile.count(columns, tile.columns)
      return Double(tile.count(groups, computeUnits) * tile.rows * tile.columns) / tile.efficiency
    }
    var best = all[0]
    for tile in all.dropFirst() where time(tile) < time(best) { best = tile }
    return best
  }

  /// Work-items of a group.
  var items: Int { rows / itemRows * (columns / itemColumns) }

  func rowTiles(of output: Matrix<OpenCLBuffer>) -> Int { count(output.rows, rows) }
  func columnTiles(of output: Matrix<OpenCLBuffer>) -> Int { count(output.columns, columns) }

  private func count(_ size: Int, _ tile: Int) -> Int { (size + tile - 1) / tile }

  var defines: [String: Int] { ["TILE_M": rows, "TILE_N": columns, "ITEM_M": itemRows, "ITEM_N": itemColumns] }
}

/// How a product of the cpu variant is cut into launches and work-items; see `matmul_cpu.cl`.
struct CPUProductSchedule: Sendable {
  private static let tileRows = 12
  private static let tileColumns = 32
  /// Elements of the inner dimension that a tile sums in one go: a panel of them, in floats, fits the least local
  /// memory that OpenCL promises, and with the rows of an item the second-level cache.
  private static let depthBlock = 256
  private static let largestItem = 44
  /// Floats of each piece of scratch memory.
  private static let scratchFloats = 8 << 20

  static var defines: [String: Int] { ["TILE_ROWS": tileRows, "DEPTH_BLOCK": depthBlock] }

  let panels: Int
  /// Rows of one launch, so that scratch memory does not grow with the batch.
  let rowsPerPass: Int
  let tilesPerItem: Int
  private let depth: Int

  init(rows: Int, columns: Int, depth: Int, computeUnits: Int) {
    self.depth = depth
    panels = (columns + Self.tileColumns - 1) / Self.tileColumns
    let unit = Self.tileRows * Self.largestItem
    rowsPerPass = max(1, Self.scratchFloats / max(depth, panels * Self.tileColumns) / unit) * unit
    let tiles = (min(rows, rowsPerPass) + Self.tileRows - 1) / Self.tileRows
    // Items of many tiles use what they bring to the caches more often; enough items keep all units busy to the end.
    let wanted = (16 * computeUnits + panels - 1) / panels
    let groups = max((tiles + Self.largestItem - 1) / Self.largestItem, min(wanted, tiles / 8))
    tilesPerItem = (tiles + groups - 1) / groups
  }

  func tiles(of rows: Int) -> Int { (rows + Self.tileRows - 1) / Self.tileRows }
  func packedFloats(rows: Int) -> Int { tiles(of: rows) * Self.tileRows * depth }
  func sumFloats(rows: Int) -> Int { tiles(of: rows) * Self.tileRows * panels * Self.tileColumns }
}
