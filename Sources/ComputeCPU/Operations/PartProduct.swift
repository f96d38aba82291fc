import CSimd
public import Compute
import Failures

extension CPUBackend {
  public func partProduct(_ operation: PartProduct<CPUBuffer>) throws(BackendError) {
    // Rows by passes, so that the packed left operand stays near 16 MB however many rows there are.
    let passRows = max(1, (2 << 20) / operation.inner / kernels.tileRows) * kernels.tileRows
    try perform { crew throws(BackendError) in
      for first in stride(from: 0, to: operation.output.rows, by: passRows) {
        try partProduct(operation, rows: first..<min(first + passRows, operation.output.rows), crew: crew)
      }
    }
  }

  private func partProduct(
    _ operation: PartProduct<CPUBuffer>, rows: Range<Int>, crew: Crew
  ) throws(BackendError) {
    // A double is two floats, and two vectors of doubles take as many bytes as one of a tile's columns of floats.
    let (tileRows, panelColumns) = (kernels.tileRows, kernels.tileColumns / 2)
    let tiles = (rows.count + tileRows - 1) / tileRows
    let packed = unsafe try crew.sharedScratch(2 * tiles * tileRows * operation.inner, operation: .partProduct)
    let arguments = unsafe legrad_part_product(
      operation, rows: rows, packed: UnsafeMutableRawPointer(packed).assumingMemoryBound(to: Double.self))
    unsafe withUnsafePointer(to: arguments) { arguments in
      crew.run(tiles, grain: max(1, tiles / (2 * crew.threadCount))) { begin, end in
        unsafe kernels.table.part_product_pack(arguments, begin, end)
      }
    }
    // A panel meets all rows at once, but where there are too few panels for all threads.
    let panels = (operation.output.columns + panelColumns - 1) / panelColumns
    let groups = min(tiles, max(1, 2 * crew.threadCount / panels))
    let tilesPerGroup = (tiles + groups - 1) / groups
    unsafe try crew.run(
      groups * panels, arguments, scratchCount: operation.inner * kernels.tileColumns, operation: .partProduct
    ) { arguments, begin, end, scratch in
      for item in begin..<end {
        let (tile, panel) = (item / panels * tilesPerGroup, item % panels)
        unsafe kernels.table.part_product(
          arguments, min(tile, tiles), min(tile + tilesPerGroup, tiles), panel, panel + 1, scratch)
      }
    }
  }
}

extension legrad_part_product {
  fileprivate init(_ operation: PartProduct<CPUBuffer>, rows: Range<Int>, packed: UnsafeMutablePointer<Double>) {
    let (output, scale) = (operation.output, operation.scale)
    unsafe self.init(
      left: legrad_operand(operation.left), right: legrad_operand(operation.right), first_row: rows.lowerBound,
      rows: rows.count, inner: operation.inner, columns: output.columns, packed: packed, factor: operation.factor,
      scale: scale.map { unsafe legrad_operand($0) } ?? legrad_operand(), scale_rows: scale?.rows ?? 1,
      bias: operation.bias?.doubles, accumulates: operation.accumulates, output: .init(output))
  }
}

extension legrad_operand {
  fileprivate init(_ operand: PartProduct<CPUBuffer>.Operand) {
    let stride = operand.matrix.rowStride
    unsafe self.init(
      values: operand.matrix.doubles, row_step: operand.isTransposed ? 1 : stride,
      column_step: operand.isTransposed ? stride : 1, part: legrad_part(operand.part))
  }
}

extension legrad_part {
  fileprivate init(_ part: PartProduct<CPUBuffer>.Part) {
    self =
      switch part {
      case .all: LEGRAD_ALL
      case .positive: LEGRAD_POSITIVE
      case .negative: LEGRAD_NEGATIVE
      }
  }
}
