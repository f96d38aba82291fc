import Compute

/// The tile of the output that a work-group of the portable product computes, and an item's part of it.
package struct PortableTile: Sendable {
  package let rows: Int
  package let columns: Int
  let itemRows: Int
  let itemColumns: Int
  /// Elements of the inner dimension that are in local memory at once: small groups bring more, since they wait longer
  /// for it than they compute.
  let depth: Int
  /// Of these, how many a `Unrolling.some` writes out.
  private let unrolled: Int
  /// The part of the arithmetic units' time that computes, as far as it is known from other programs' tiles.
  private let efficiency: Double

  package static let all = [
    PortableTile(rows: 128, columns: 128, itemRows: 8, itemColumns: 8, depth: 16, unrolled: 2, efficiency: 1),
    PortableTile(rows: 64, columns: 64, itemRows: 4, itemColumns: 8, depth: 16, unrolled: 2, efficiency: 0.8),
    PortableTile(rows: 32, columns: 64, itemRows: 4, itemColumns: 4, depth: 32, unrolled: 8, efficiency: 0.6),
    PortableTile(rows: 16, columns: 64, itemRows: 4, itemColumns: 4, depth: 32, unrolled: 8, efficiency: 0.4),
  ]

  /// The tile with the least time, counted in rounds of one group per compute unit: large tiles reuse more of what they
  /// fetch, small ones leave less of the device idle and of themselves empty. All give the same bits.
  /// - Parameters:
  ///   - rows: of each of the parts.
  ///   - parts: products of that size that run together.
  package static func best(rows: Int, columns: Int, parts: Int = 1, computeUnits: Int) -> PortableTile {
    func time(_ tile: PortableTile) -> Double {
      let groups = parts * tile.count(rows, tile.rows) * tile.count(columns, tile.columns)
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

  /// How much of a step's loop is written out: with all of it NVIDIA's compilers take more registers than two groups
  /// have; with some of it AMD's pair no multiply-adds. The same bits.
  enum Unrolling: String, Sendable, CaseIterable { case some, all }

  /// The kernel of `matmul.cl`, by what it is built with.
  /// - Parameter isWhole: whether rows of its input and scales start at quads and `depth` divides them.
  func kernel(_ kind: ProductKind, isWhole: Bool, _ unrolling: Unrolling) -> KernelIdentifier {
    let unroll = unrolling == .some ? unrolled : depth
    return KernelIdentifier(
      "matmul", on: ["matmul_tiles"], .portable,
      kind.defines.merging([
        "TILE_M": rows, "TILE_N": columns, "TILE_K": depth, "ITEM_M": itemRows, "ITEM_N": itemColumns,
        "UNROLL": unroll, "WHOLE": isWhole ? 1 : 0,
      ]) { $1 })
  }
}

/// The product of few rows; see `matmul_rows.cl`.
package enum FewRows {
  package static let limit = 8
  static let columns = 16
  static let items = 128

  static func kernel(_ kind: ProductKind) -> KernelIdentifier {
    KernelIdentifier("matmul_rows", on: ["matmul_tiles"], .portable, kind.defines)
  }
}

/// What kernels of a product are built for, whatever its size.
struct ProductKind: Sendable {
  let precision: Precision
  /// Whether the weight's outputs are summed over.
  let isByInputs: Bool
  let isScaled: Bool

  /// Those of the portable variant.
  static let all = Precision.allStored.flatMap(kinds)

  static func kinds(_ precision: Precision) -> [ProductKind] {
    [false, true].flatMap { isByInputs in
      [false, true].map { ProductKind(precision: precision, isByInputs: isByInputs, isScaled: $0) }
    }
  }

  fileprivate var defines: [String: Int] {
    ["STORAGE": precision.storage, "SIDE_INPUTS": isByInputs ? 1 : 0, "SCALED": isScaled ? 1 : 0]
  }
}

/// How a product of the cpu variant is cut into launches and work-items; see `matmul_cpu.cl`.
struct CPUProductSchedule: Sendable {
  private static let tileRows = 12
  private static let tileColumns = 32
  /// Elements of the inner dimension that a tile sums in one go: a panel of them, in floats, fits the least local
  /// memory that OpenCL promises, and with the rows of an item the second-level cache.
  private static let depthBlock = 256
  private static let largestItem = 44
  /// Floats of each of the two pieces of scratch memory, and the share of the device's memory that one may have.
  private static let scratchFloats = 8 << 20
  private static let scratchShare = 32

  static var defines: [String: Int] { ["TILE_ROWS": tileRows, "DEPTH_BLOCK": depthBlock] }

  let panels: Int
  /// Rows of one launch, so that scratch memory does not grow with the batch.
  let rowsPerPass: Int
  let tilesPerItem: Int
  private let depth: Int

  /// - Parameter memoryLimit: bytes that the backend may use.
  init(rows: Int, columns: Int, depth: Int, computeUnits: Int, memoryLimit: Int = .max) {
    self.depth = depth
    panels = (columns + Self.tileColumns - 1) / Self.tileColumns
    let unit = Self.tileRows * Self.largestItem
    let floatsPerRow = max(depth, panels * Self.tileColumns)
    let most = memoryLimit / Self.scratchShare / MemoryLayout<Float>.size / floatsPerRow
    // Rows are computed tile by tile, so that passes of any number of tiles give the same bits.
    rowsPerPass =
      most < unit
      ? max(1, most / Self.tileRows) * Self.tileRows
      : max(1, min(most, Self.scratchFloats / floatsPerRow) / unit) * unit
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
