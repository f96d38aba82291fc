package import Compute
import OpenCLRuntime

/// Whose matrix units the matrix variant is written for: a file of small functions before `matmul_matrix.cl`, and
/// before what attention has on them.
package enum MatrixInstructions: String, Sendable, CaseIterable {
  /// PTX of compute capability 8.0 and later.
  case nvidia
  /// Of RDNA 3, and of CDNA 2 and 3.
  case amdWMMA, amdMFMA
  /// In sub-groups of 16 lanes, as on data centre GPUs, or of 8.
  case intel16, intel8

  /// Those that a device may have, as far as its extensions tell; whether it has them is found by trying.
  static func candidates(for device: OpenCLDevice) -> [MatrixInstructions] {
    guard device.kind == .gpu else { return [] }
    let byExtension: [(name: String, instructions: [MatrixInstructions])] = [
      ("cl_nv_device_attribute_query", [.nvidia]), ("cl_amd_device_attribute_query", [.amdMFMA, .amdWMMA]),
      ("cl_intel_subgroup_matrix_multiply_accumulate", [.intel16, .intel8]),
    ]
    return byExtension.first { device.extensions.contains($0.name) }?.instructions ?? []
  }

  var isIntel: Bool { self == .intel16 || self == .intel8 }

  /// Items that multiply a square together.
  var warp: Int {
    switch self {
    case .nvidia, .amdWMMA: 32
    case .amdMFMA: 64
    case .intel16: 16
    case .intel8: 8
    }
  }

  var file: String {
    switch self {
    case .nvidia: "matrix_nvidia"
    case .amdWMMA: "matrix_amd_wmma"
    case .amdMFMA: "matrix_amd_mfma"
    case .intel16, .intel8: "matrix_intel"
    }
  }

  /// Words of an item that others read where there is no instruction: `EXCHANGED` of the file.
  var exchangedWords: Int {
    switch self {
    case .nvidia: 6
    case .amdMFMA: 4
    case .amdWMMA, .intel16, .intel8: 16
    }
  }
}

/// The functions that the matrix variant is built on.
package struct MatrixSet: Sendable, Hashable {
  let instructions: MatrixInstructions
  /// Whether they are plain OpenCL C in place of the instructions, for every device.
  let isPlain: Bool

  package init(instructions: MatrixInstructions, isPlain: Bool) {
    self.instructions = instructions
    self.isPlain = isPlain
  }

  static let plain = MatrixSet(instructions: .nvidia, isPlain: true)
}

/// The tile of the output that a work-group of the matrix variant computes.
package struct MatrixTile: Sendable, Hashable {
  package let rows: Int
  package let columns: Int
  /// Elements of the inner dimension that a step has of operands in one part; half of it of those in two.
  private let depth: Int
  /// The part of the matrix units' time that computes, as far as it can be told from what a step reads and multiplies.
  private let efficiency: Double

  package static let all = [
    MatrixTile(rows: 128, columns: 128, depth: 32, efficiency: 1),
    MatrixTile(rows: 64, columns: 64, depth: 64, efficiency: 0.6),
    MatrixTile(rows: 16, columns: 64, depth: 128, efficiency: 0.25),
  ]

  /// The tile with the least time of those that fit the device's local memory, counted as `PortableTile.best` does. All
  /// give the same bits.
  package static func best(
    rows: Int, columns: Int, parts: Int = 1, precision: Precision, set: MatrixSet, computeUnits: Int, localMemory: Int
  ) -> MatrixTile {
    func time(_ tile: MatrixTile) -> Double {
      let groups = parts * tile.count(rows, tile.rows) * tile.count(columns, tile.columns)
      return Double(tile.count(groups, computeUnits) * tile.rows * tile.columns) / tile.efficiency
    }
    let fitting = all.filter { $0.localMemory(precision, set) <= localMemory }
    return fitting.min { time($0) < time($1) } ?? all[all.count - 1]
  }

  /// Warps that divide its rows, and its columns.
  func warps(_ instructions: MatrixInstructions) -> (rows: Int, columns: Int) {
    switch (rows, instructions.warp) {
    case (16, 64): (1, 2)
    case (16, _): (1, 4)
    case (128, 32), (64, 16): (2, 4)
    case (128, 16): (2, 8)
    case (128, 8): (4, 8)
    case (64, 8): (4, 4)
    default: (2, 2)
    }
  }

  func items(_ set: MatrixSet) -> Int {
    let warps = warps(set.instructions)
    return warps.rows * warps.columns * set.instructions.warp
  }

  package func depth(_ precision: Precision, _ set: MatrixSet) -> Int {
    // Intel's have few items for a tile, which keep what they bring in registers; plain functions want room in local
    // memory for what lanes exchange. Groups of more items than a step has chunks would have none to bring.
    let depth = set.isPlain || set.instructions.isIntel ? min(depth, max(32, set.instructions.warp)) : depth
    return precision == .bf16Split ? depth / 2 : depth
  }

  /// Bytes of local memory of a group.
  func localMemory(_ precision: Precision, _ set: MatrixSet) -> Int {
    let parts = precision == .bf16Split ? 2 : 1
    let tiles = 2 * parts * (rows + columns) * depth(precision, set) * 2
    let strip = 16 * warps(set.instructions).rows * (columns + 8) * 4
    let exchanged = set.isPlain ? 4 * items(set) * set.instructions.exchangedWords : 4
    return max(tiles, strip) + (precision == .f16 ? 4 * rows : 4) + exchanged
  }

  func rowTiles(of output: Matrix<OpenCLBuffer>) -> Int { count(output.rows, rows) }
  func columnTiles(of output: Matrix<OpenCLBuffer>) -> Int { count(output.columns, columns) }

  private func count(_ size: Int, _ tile: Int) -> Int { (size + tile - 1) / tile }

  /// The kernel of `matmul_matrix.cl`, by what it is built with.
  /// - Parameter isWhole: whether rows of its input and scales start at quads and `depth` divides them.
  func kernel(_ kind: ProductKind, isWhole: Bool, _ set: MatrixSet) -> KernelIdentifier {
    let warps = warps(set.instructions)
    var defines = [
      "STORAGE": kind.precision.matrixStorage, "SIDE_INPUTS": kind.isByInputs ? 1 : 0, "SCALED": kind.isScaled ? 1 : 0,
      "TILE_M": rows, "TILE_N": columns, "TILE_K": depth(kind.precision, set), "WARPS_M": warps.rows,
      "WARPS_N": warps.columns, "WHOLE": isWhole ? 1 : 0, "PLAIN": set.isPlain ? 1 : 0,
    ]
    if set.instructions.isIntel { defines["WARP"] = set.instructions.warp }
    return KernelIdentifier(
      "matmul_matrix", on: ["matmul_tiles", "matrix_tiles", set.instructions.file], .matrix, defines)
  }
}

extension ProductKind {
  /// Those that matrix units have.
  static let ofMatrices = Precision.allCases.filter { $0 != .f32 }.flatMap(kinds)
}
