public import Compute
import Failures
import OpenCLRuntime

extension OpenCLBackend {
  public func partProduct(_ operation: PartProduct<OpenCLBuffer>) throws(BackendError) {
    let (left, right, output) = (operation.left, operation.right, operation.output)
    let arguments: [KernelArgument] = [
      .matrix(left.matrix), .flag(left.isTransposed), .part(left.part), .matrix(right.matrix),
      .flag(right.isTransposed), .part(right.part), .matrix(operation.scale?.matrix ?? output),
      .size(operation.scale?.rows ?? 0), .part(operation.scale?.part ?? .all), .matrix(operation.bias ?? output),
      .flag(operation.bias != nil), .matrix(output), .flag(operation.accumulates),
      .real(operation.factor, .float64), .size(output.rows), .size(operation.inner), .size(output.columns),
    ]
    try perform(.partProduct) { stream throws(OpenCLError) in
      switch variant {
      case .portable, .matrix:
        let (width, rowsPerItem) = (KernelIdentifier.partProductGroup, KernelIdentifier.partProductRowsPerItem)
        try stream.run(
          .partProduct(.portable), arguments,
          global: [output.columns.roundedUp(to: width), (output.rows + rowsPerItem - 1) / rowsPerItem],
          local: [width, 1])
      case .cpu:
        let (tile, panel) = (4, 32)
        let panels = (output.columns + panel - 1) / panel
        // Few panels are cut into rows, so that all units have some.
        let wanted = (4 * device.computeUnits + panels - 1) / panels
        let rowsPerItem = ((output.rows + wanted - 1) / wanted).roundedUp(to: tile)
        let sums = try stream.scratch(
          "product sums", floats: output.rows * panels * panel * Scalar.float64.bytes / Scalar.float32.bytes)
        try stream.run(
          .partProduct(.cpu), arguments + [.memory(sums.buffer.memory), .size(rowsPerItem)],
          global: [panels, (output.rows + rowsPerItem - 1) / rowsPerItem], local: [1, 1])
      }
    }
  }
}

extension KernelIdentifier {
  fileprivate static let partProductRowsPerItem = 8
  static let partProductGroup = 64

  static func partProduct(_ variant: KernelVariant) -> KernelIdentifier {
    KernelIdentifier(
      "part_product", variant, scalar: .float64, variant == .portable ? ["ROWS_PER_ITEM": partProductRowsPerItem] : [:])
  }
}

extension KernelArgument {
  /// `const uint`: which values of an operand count, as `part_product.cl` numbers them.
  fileprivate static func part(_ part: PartProduct<OpenCLBuffer>.Part) -> KernelArgument {
    switch part {
    case .all: .size(0)
    case .positive: .size(1)
    case .negative: .size(2)
    }
  }
}
