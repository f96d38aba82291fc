public import Compute
import Failures
import OpenCLRuntime

extension OpenCLBackend {
  public func matmul(_ operation: Matmul<OpenCLBuffer, OpenCLWeight>) throws(BackendError) {
    let layout = operation.weights[0].layout
    let (inner, columns) =
      operation.side == .outputs ? (layout.inputs, layout.outputs) : (layout.outputs, layout.inputs)
    precondition(
      operation.input.columns == inner && operation.output.columns == columns,
      "matmul: \(operation.input.shape) times a \(layout.outputs)×\(layout.inputs) weight by its \(operation.side) "
        + "into \(operation.output.shape)")
    // A launch reads several weights where they lie together.
    let joins = variant != .cpu && OpenCLWeight.step(of: operation.weights) != nil
    try perform(.matmul) { stream throws(OpenCLError) in
      for part in joins ? [operation] : operation.parts {
        let (rows, parts) = (part.output.rows / part.weights.count, part.weights.count)
        switch variant {
        case .portable:
          if rows <= FewRows.limit {
            try portableMatmulOfFewRows(part, on: stream)
          } else {
            try portableMatmul(
              part,
              by: .best(rows: rows, columns: part.output.columns, parts: parts, computeUnits: device.computeUnits),
              unrolling, on: stream)
          }
        case .cpu: try cpuMatmul(part, on: stream)
        case .matrix:
          try matrixMatmul(
            part,
            by: .best(
              rows: rows, columns: part.output.columns, parts: parts, precision: precision, set: matrixSet,
              computeUnits: device.computeUnits, localMemory: device.localMemory), matrixSet, on: stream)
        }
      }
    }
  }

  func portableMatmul(
    _ operation: Matmul<OpenCLBuffer, OpenCLWeight>, by tile: PortableTile, _ unrolling: PortableTile.Unrolling,
    on stream: CommandStream
  ) throws(OpenCLError) {
    let (input, scales, output) = (operation.input, operation.inputScale?.scales, operation.output)
    let isWhole =
      input.startsRowsAtQuads && scales?.startsRowsAtQuads ?? true && input.columns % tile.depth == 0
    try stream.run(
      tile.kernel(operation.kind, isWhole: isWhole, unrolling), try portableArguments(of: operation, on: stream),
      global: [
        tile.items * tile.rowTiles(of: output.part(0, of: operation.weights.count)), tile.columnTiles(of: output),
        operation.weights.count,
      ], local: [tile.items, 1, 1])
  }

  func portableMatmulOfFewRows(
    _ operation: Matmul<OpenCLBuffer, OpenCLWeight>, on stream: CommandStream
  ) throws(OpenCLError) {
    let groups = (operation.output.columns + FewRows.columns - 1) / FewRows.columns
    try stream.run(
      FewRows.kernel(operation.kind), try portableArguments(of: operation, on: stream),
      global: [groups * FewRows.items, 1, operation.weights.count], local: [FewRows.items, 1, 1])
  }

  func matrixMatmul(
    _ operation: Matmul<OpenCLBuffer, OpenCLWeight>, by tile: MatrixTile, _ set: MatrixSet, on stream: CommandStream
  ) throws(OpenCLError) {
    let (input, scales, output) = (operation.input, operation.inputScale?.scales, operation.output)
    let isWhole =
      input.startsRowsAtQuads && scales?.startsRowsAtQuads ?? true && input.columns % tile.depth(precision, set) == 0
    let items = tile.items(set)
    try stream.run(
      tile.kernel(operation.kind, isWhole: isWhole, set),
      try portableArguments(of: operation, withParts: true, on: stream),
      global: [
        items * tile.rowTiles(of: output.part(0, of: operation.weights.count)), tile.columnTiles(of: output),
        operation.weights.count,
      ], local: [items, 1, 1])
  }

  /// - Parameter withParts: whether the kernel reads weights in parts, which lie one after the other.
  private func portableArguments(
    of operation: Matmul<OpenCLBuffer, OpenCLWeight>, withParts: Bool = false, on stream: CommandStream
  ) throws(OpenCLError) -> [KernelArgument] {
    let (input, scale, output) = (operation.input, operation.inputScale, operation.output)
    let weight = operation.weights[0]
    guard let step = OpenCLWeight.step(of: operation.weights) else {
      preconditionFailure("matmul: a launch reads weights that lie together")
    }
    return [
      .matrix(input), .matrix(scale?.scales ?? input),
      .weights(try stream.memory(of: weight), offset: weight.offset, step: step),
    ]
      + operation.epilogueMatrices + [
        .size(output.rows / operation.weights.count), .size(output.columns), .size(input.columns),
        .size(weight.layout.paddedInputs),
      ] + (withParts ? [.size(weight.layout.paddedOutputs)] : []) + [
        .size(scale?.stack.copies ?? 1), .size(scale?.stack.rows ?? 1),
      ] + operation.epilogueFlags
  }

  private func cpuMatmul(
    _ operation: Matmul<OpenCLBuffer, OpenCLWeight>, on stream: CommandStream
  ) throws(OpenCLError) {
    let (input, scale, output) = (operation.input, operation.inputScale, operation.output)
    let schedule = CPUProductSchedule(
      rows: output.rows, columns: output.columns, depth: input.columns, computeUnits: device.computeUnits,
      memoryLimit: memory.limit)
    let packing = KernelIdentifier("pack_rows", variant, CPUProductSchedule.defines)
    let product = KernelIdentifier(
      "matmul", variant,
      CPUProductSchedule.defines.merging([
        "STORAGE": operation.weight.precision.storage, "SIDE_INPUTS": operation.side == .inputs ? 1 : 0,
      ]) { $1 })
    for first in stride(from: 0, to: output.rows, by: schedule.rowsPerPass) {
      let rows = min(schedule.rowsPerPass, output.rows - first)
      let tiles = schedule.tiles(of: rows)
      let packed = try stream.scratch("packed rows", floats: schedule.packedFloats(rows: rows)).buffer.memory
      let sums = try stream.scratch("tile sums", floats: schedule.sumFloats(rows: rows)).buffer.memory
      try stream.run(
        packing,
        [
          .matrix(input), .matrix(scale?.scales ?? input), .memory(packed), .size(first), .size(rows),
          .size(input.columns), .flag(scale != nil), .size(scale?.stack.copies ?? 1), .size(scale?.stack.rows ?? 1),
        ],
        global: [tiles], local: [1])
      try stream.run(
        product,
        [.memory(packed), .memory(try stream.memory(of: operation.weight))] + operation.epilogueMatrices + [
          .memory(sums), .size(first), .size(rows), .size(output.columns), .size(input.columns),
          .size(operation.weight.layout.paddedInputs), .size(schedule.tilesPerItem),
        ] + operation.epilogueFlags,
        global: [(tiles + schedule.tilesPerItem - 1) / schedule.tilesPerItem, schedule.panels], local: [1, 1])
    }
  }

  /// The best of some bursts of multiply-adds in registers.
  public func measurePeak() throws(BackendError) -> Double {
    let (lanes, chains) = (KernelIdentifier.peakLanes(variant), KernelIdentifier.peakChains)
    // Enough items to fill a GPU, few enough that a processor's launch is no cost.
    let (items, group) = variant == .cpu ? (4 * device.computeUnits, 1) : (device.computeUnits * 2048, 128)
    let results = try makeMatrix(rows: 1, columns: items)
    var best = 0.0
    var rounds = 1 << 10
    for _ in 0..<40 {
      let start = ContinuousClock.now
      try perform(.measurePeak) { stream throws(OpenCLError) in
        try stream.run(
          .peak(variant), [.memory(results.buffer.memory), .size(rounds)], global: [items], local: [group])
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

extension KernelIdentifier {
  /// Chains of multiply-adds that do not wait for each other.
  fileprivate static let peakChains = 16
  fileprivate static func peakLanes(_ variant: KernelVariant) -> Int { variant == .cpu ? 16 : 1 }

  static func peak(_ variant: KernelVariant) -> KernelIdentifier {
    KernelIdentifier("peak", lanes: peakLanes(variant), ["CHAINS": peakChains])
  }
}

extension Matmul<OpenCLBuffer, OpenCLWeight> {
  fileprivate var kind: ProductKind {
    ProductKind(precision: weights[0].precision, isByInputs: side == .inputs, isScaled: inputScale != nil)
  }

  /// Absent matrices are the output, which the kernels then do not touch under that name.
  fileprivate var epilogueMatrices: [KernelArgument] {
    [
      .matrix(epilogue.bias ?? output), .matrix(epilogue.residual ?? output), .matrix(output),
      .matrix(epilogue.derivative ?? output), .matrix(epilogue.slopes ?? output),
    ]
  }

  fileprivate var epilogueFlags: [KernelArgument] {
    [
      .flag(epilogue.bias != nil), .activation(epilogue.activation), .flag(epilogue.derivative != nil),
      .flag(epilogue.slopes != nil), .size(epilogue.residual?.rows ?? 0),
    ]
  }
}
