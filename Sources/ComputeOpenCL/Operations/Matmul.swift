public import Compute
import OpenCLRuntime

extension OpenCLBackend {
  public func matmul(_ operation: Matmul<OpenCLBuffer, OpenCLWeight>) throws(BackendError) {
    let layout = operation.weight.layout
    let (inner, columns) =
      operation.side == .outputs ? (layout.inputs, layout.outputs) : (layout.outputs, layout.inputs)
    precondition(
      operation.input.columns == inner && operation.output.columns == columns,
      "matmul: \(operation.input.shape) times a \(layout.outputs)×\(layout.inputs) weight by its \(operation.side) "
        + "into \(operation.output.shape)")
    try perform("matmul") { stream throws(OpenCLError) in
      switch variant {
      case .portable: try portableMatmul(operation, on: stream)
      case .cpu: try cpuMatmul(operation, on: stream)
      }
    }
  }

  private func portableMatmul(
    _ operation: Matmul<OpenCLBuffer, OpenCLWeight>, on stream: CommandStream
  ) throws(OpenCLError) {
    let output = operation.output
    let tile = PortableTile(rows: output.rows, columns: output.columns, computeUnits: device.computeUnits)
    let kernel = KernelIdentifier("matmul", variant, operation.defines.merging(tile.defines) { $1 })
    let scale = operation.inputScale
    try stream.run(
      kernel,
      [
        .matrix(operation.input), .matrix(scale?.scales ?? output), .memory(try stream.memory(of: operation.weight)),
      ] + operation.epilogueMatrices + [
        .size(output.rows), .size(output.columns), .size(operation.input.columns),
        .size(operation.weight.layout.paddedInputs), .flag(scale != nil), .size(scale?.stack.prompts ?? 1),
        .size(scale?.stack.tokens ?? 1),
      ] + operation.epilogueFlags,
      global: [tile.items * tile.count(output.columns, tile.columns), tile.count(output.rows, tile.rows)],
      local: [tile.items, 1])
  }

  private func cpuMatmul(
    _ operation: Matmul<OpenCLBuffer, OpenCLWeight>, on stream: CommandStream
  ) throws(OpenCLError) {
    let output = operation.output
    let depth = operation.input.columns
    let panels = (output.columns + CPUTile.columns - 1) / CPUTile.columns
    let kernel = KernelIdentifier("matmul", variant, operation.defines)
    let scale = operation.inputScale
    for first in stride(from: 0, to: output.rows, by: CPUTile.rowsPerLaunch) {
      let rows = min(CPUTile.rowsPerLaunch, output.rows - first)
      let tiles = (rows + CPUTile.rows - 1) / CPUTile.rows
      let packed = try stream.scratch("packed rows", floats: tiles * CPUTile.rows * depth)
      let sums = try stream.scratch("tile sums", floats: panels * tiles * CPUTile.rows * CPUTile.columns)
      try stream.run(
        KernelIdentifier("pack_rows", variant),
        [
          .matrix(operation.input), .matrix(scale?.scales ?? output), .memory(packed.buffer.memory), .size(first),
          .size(rows), .size(depth), .flag(scale != nil), .size(scale?.stack.prompts ?? 1),
          .size(scale?.stack.tokens ?? 1),
        ],
        global: [tiles], local: [1])
      try stream.run(
        kernel,
        [.memory(packed.buffer.memory), .memory(try stream.memory(of: operation.weight))]
          + operation.epilogueMatrices + [
            .memory(sums.buffer.memory), .size(first), .size(rows), .size(output.columns), .size(depth),
            .size(operation.weight.layout.paddedInputs), .size(tiles),
          ] + operation.epilogueFlags,
        global: [1, panels], local: [1, 1])
    }
  }

  /// The best of some bursts of multiply-adds in registers.
  public func measurePeak() throws(BackendError) -> Double {
    let (lanes, chains) = variant == .cpu ? (16, 16) : (1, 16)
    // Enough items to fill a GPU, few enough that a processor's launch is no cost.
    let (items, group) = variant == .cpu ? (4 * device.computeUnits, 1) : (device.computeUnits * 2048, 128)
    let results = try makeMatrix(rows: 1, columns: items)
    var best = 0.0
    var rounds = 1 << 10
    for _ in 0..<40 {
      let start = ContinuousClock.now
      try perform("measurePeak") { stream throws(OpenCLError) in
        try stream.run(
          KernelIdentifier("peak", lanes: lanes, ["CHAINS": chains]),
          [.memory(results.buffer.memory), .size(rounds)], global: [items], local: [group])
        try stream.finish()
      }
      let seconds = (ContinuousClock.now - start) / .seconds(1)
      best = max(best, 2 * Double(items * lanes * chains * rounds) / max(seconds, 1e-9))
      // Long enough that launching and waiting do not count.
      if seconds < 5e-3, rounds < 1 << 24 { rounds *= 2 }
    }
    return best
  }
}

/// The work-group tile of the portable product.
struct PortableTile {
  let rows: Int
  let columns: Int
  let itemRows: Int
  let itemColumns: Int

  /// Large tiles reuse more of what they fetch; smaller ones where there would be too few to fill the device, and flat
  /// ones for few rows.
  init(rows: Int, columns: Int, computeUnits: Int) {
    let large = (rows + 127) / 128 * ((columns + 127) / 128)
    if rows <= 16 {
      (self.rows, self.columns, itemRows, itemColumns) = (16, 64, 4, 4)
    } else if rows > 64, large >= 2 * computeUnits {
      (self.rows, self.columns, itemRows, itemColumns) = (128, 128, 8, 8)
    } else {
      (self.rows, self.columns, itemRows, itemColumns) = (64, 64, 4, 8)
    }
  }

  var items: Int { rows / itemRows * (columns / itemColumns) }

  func count(_ size: Int, _ tile: Int) -> Int { (size + tile - 1) / tile }

  var defines: [String: Int] {
    ["TILE_ROWS": rows, "TILE_COLUMNS": columns, "ITEM_ROWS": itemRows, "ITEM_COLUMNS": itemColumns]
  }
}

/// The register tile of the cpu variant, as `matmul_cpu.cl` and `pack_rows_cpu.cl` have it.
private enum CPUTile {
  static let rows = 12
  static let columns = 32
  /// Rows whose packed block of depth stays in the second-level cache.
  static let rowsPerLaunch = 528
}

extension Matmul<OpenCLBuffer, OpenCLWeight> {
  fileprivate var defines: [String: Int] {
    ["STORAGE": weight.precision.storage, "SIDE_INPUTS": side == .inputs ? 1 : 0]
  }

  /// Absent matrices are the output, which the kernels then do not touch under that name.
  fileprivate var epilogueMatrices: [KernelArgument] {
    [
      .matrix(epilogue.bias ?? output), .matrix(epilogue.residual ?? output), .matrix(output),
      .matrix(epilogue.derivative ?? output),
    ]
  }

  fileprivate var epilogueFlags: [KernelArgument] {
    [
      .flag(epilogue.bias != nil), .activation(epilogue.activation), .flag(epilogue.derivative != nil),
      .size(epilogue.residual?.rows ?? 0),
    ]
  }
}
