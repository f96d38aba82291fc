import CSimd
public import Compute
import Failures

extension CPUBackend {
  public func matmul(_ operation: Matmul<CPUBuffer, CPUWeight>) throws(BackendError) {
    for part in operation.parts { try multiply(part) }
  }

  private func multiply(_ operation: Matmul<CPUBuffer, CPUWeight>) throws(BackendError) {
    let (weight, output) = (operation.weight, operation.output)
    let isTransposed = operation.side == .inputs
    let depth = isTransposed ? weight.outputs : weight.inputs
    precondition(
      operation.input.columns == depth && output.columns == (isTransposed ? weight.inputs : weight.outputs),
      "matmul: \(operation.input.shape) input and \(output.shape) output with a \(weight.outputs)×\(weight.inputs) "
        + "weight by its \(operation.side)")
    precondition(
      weight.tileColumns == kernels.tileColumns && weight.precision == precision,
      "matmul: the weight was prepared by another kind of CPU backend")
    let schedule = MatmulSchedule(
      rows: output.rows, columns: output.columns, depth: depth, kernels: kernels, pairs: multipliesPairs,
      threads: threadCount)
    try perform { crew throws(BackendError) in
      let operand = try operand(of: operation, crew)
      // Rows by passes, so that the packed left operand stays small however many rows there are.
      for first in stride(from: 0, to: output.rows, by: schedule.rowsPerPass) {
        let rows = min(schedule.rowsPerPass, output.rows - first)
        try multiply(operation, operand, rows: first..<first + rows, schedule: schedule, crew: crew)
      }
      if case .stored(let stored, _) = weight.place { try stored.letGo(operation: .matmul) }
    }
  }

  /// Where a product reads its weight.
  @safe private enum Operand {
    case packed(legrad_weight)
    /// Panels are packed by the thread that multiplies them.
    case stored(legrad_stored_weight)
  }

  /// A weight that a file holds is read from there by its first product, and packed for the second, or where its other
  /// side is read.
  private func operand(of operation: Matmul<CPUBuffer, CPUWeight>, _ crew: Crew) throws(BackendError) -> Operand {
    let weight = operation.weight
    switch weight.place {
    case .packed(let memory): return unsafe .packed(weight.description(in: memory))
    case .stored(let stored, let wasRead):
      let source = try stored.brought(outputs: weight.outputs, operation: .matmul)
      if operation.side == .outputs, !wasRead {
        weight.place = .stored(stored, wasRead: true)
        return .stored(source)
      }
      let memory = try AlignedMemory(count: weight.bytes, elementSize: 1, operation: .prepare)
      _ = pack(source, weight, into: memory, crew)
      try stored.letGo(operation: .matmul)
      weight.place = .packed(memory)
      return unsafe .packed(weight.description(in: memory))
    }
  }

  private func multiply(
    _ operation: Matmul<CPUBuffer, CPUWeight>, _ operand: Operand, rows: Range<Int>, schedule: MatmulSchedule,
    crew: Crew
  ) throws(BackendError) {
    let tiles = (rows.count + kernels.tileRows - 1) / kernels.tileRows
    let left = unsafe try crew.sharedScratch(tiles * kernels.tileRows * schedule.depthWords, operation: .matmul)
    let packing = unsafe packing(of: operation, rows: rows, schedule: schedule, to: left)
    unsafe withUnsafePointer(to: packing) { packing in
      crew.run(tiles, grain: max(1, tiles / (2 * threadCount))) { begin, end in
        unsafe kernels.table.pack_left(packing, begin, end)
      }
    }
    let product = unsafe product(of: operation, operand, rows: rows, schedule: schedule, left: left)
    let rowItems = (tiles + schedule.tilesPerItem - 1) / schedule.tilesPerItem
    let panelStarts = schedule.panelStarts
    let panelItems = panelStarts.count - 1
    let tilesPerItem = (tiles + rowItems - 1) / rowItems
    let own = unsafe withUnsafePointer(to: product) {
      unsafe kernels.table.product_scratch($0, tilesPerItem, schedule.panelsPerItem)
    }
    // Behind the product's own memory, from the next cache line, the panels of a piece of work.
    let panelStart = (own + 15) / 16 * 16
    var scratch = own
    if case .stored = operand {
      scratch = panelStart + schedule.panelsPerItem * operation.weight.panelBytes / MemoryLayout<Float>.size
    }
    unsafe try crew.run(rowItems * panelItems, product, scratchCount: scratch, operation: .matmul) {
      product, begin, end, scratch in
      for item in begin..<end {
        let tile = item / panelItems * tilesPerItem
        let range = panelStarts[item % panelItems]..<panelStarts[item % panelItems + 1]
        let tileEnd = min(tile + tilesPerItem, tiles)
        guard case .stored(let source) = operand else {
          unsafe kernels.table.product(product, min(tile, tiles), tileEnd, range.lowerBound, range.upperBound, scratch)
          continue
        }
        var packed = unsafe product.pointee
        unsafe packed.weight = operation.weight.description(range, at: UnsafeMutableRawPointer(scratch + panelStart))
        var packing = unsafe legrad_weight_packing(source: source, weight: packed.weight)
        _ = unsafe kernels.table.pack_weight(&packing, range.lowerBound, range.upperBound)
        unsafe kernels.table.product(&packed, min(tile, tiles), tileEnd, range.lowerBound, range.upperBound, scratch)
      }
    }
  }

  private func packing(
    of operation: Matmul<CPUBuffer, CPUWeight>, rows: Range<Int>, schedule: MatmulSchedule,
    to left: UnsafeMutablePointer<Float>
  ) -> legrad_left_packing {
    let (input, scale) = (operation.input, operation.inputScale)
    return unsafe legrad_left_packing(
      input: .init(input), scales: .init(scale?.scales),
      stack: legrad_stack(prompts: scale?.stack.copies ?? 1, tokens: scale?.stack.rows ?? 1),
      first_row: rows.lowerBound, rows: rows.count, depth: input.columns, depth_block: schedule.depthBlock,
      pairs: multipliesPairs, packed: left)
  }

  private func product(
    of operation: Matmul<CPUBuffer, CPUWeight>, _ operand: Operand, rows: Range<Int>, schedule: MatmulSchedule,
    left: UnsafeMutablePointer<Float>
  ) -> legrad_product {
    let (output, epilogue) = (operation.output, operation.epilogue)
    // Of a stored weight, each piece of work has its own panels in place of these.
    let weight =
      switch operand {
      case .packed(let weight): unsafe weight
      case .stored: unsafe operation.weight.description(0..<0, at: UnsafeMutableRawPointer(left))
      }
    return unsafe legrad_product(
      left: left, first_row: rows.lowerBound, rows: rows.count, columns: output.columns, depth: operation.input.columns,
      depth_block: schedule.depthBlock, weight: weight, transposed: operation.side == .inputs,
      pairs: multipliesPairs, output: .init(output), bias: epilogue.bias?.base,
      activation: legrad_activation(epilogue.activation), derivative: .init(epilogue.derivative),
      slopes: .init(epilogue.slopes), residual: .init(epilogue.residual),
      residual_rows: epilogue.residual?.rows ?? 1)
  }
}

/// How a product is cut into pieces of work.
struct MatmulSchedule {
  /// Elements of the inner dimension that are summed in one go. It depends on that dimension alone: it sets the
  /// order of sums.
  let depthBlock: Int
  /// Words of one packed row of the left operand.
  let depthWords: Int
  let rowsPerPass: Int
  let tilesPerItem: Int
  /// The most panels of a piece.
  let panelsPerItem: Int
  /// The first panel of each piece, and their number at the end. Pieces get smaller towards the end, so that a thread
  /// that began late or was held up is not waited for long.
  let panelStarts: [Int]

  init(rows: Int, columns: Int, depth: Int, kernels: Kernels, pairs: Bool, threads: Int) {
    let word = pairs ? 2 : 1
    // A block of one panel takes half of a 32 KB first-level cache.
    let largest = 4096 / kernels.tileColumns * word
    let blocks = (depth + largest - 1) / largest
    let unit = kernels.tileColumns
    depthBlock = ((depth + blocks - 1) / blocks + unit - 1) / unit * unit
    depthWords = (depth + word - 1) / word
    // Packed rows of a pass fit 32 MB.
    let unitRows = kernels.tileRows * 44
    rowsPerPass = max(1, (8 << 20) / depthWords / unitRows) * unitRows
    tilesPerItem = 44
    let panels = (columns + kernels.tileColumns - 1) / kernels.tileColumns
    panelsPerItem = max(1, min(4, panels / (4 * threads)))
    var starts = [0]
    while let start = starts.last, start < panels {
      starts.append(start + max(1, min(panelsPerItem, (panels - start) / (4 * threads))))
    }
    panelStarts = starts
  }
}
