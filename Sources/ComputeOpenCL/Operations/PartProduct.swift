public import Compute
import Failures
import OpenCLRuntime

extension OpenCLBackend {
  public func partProduct(_ operation: PartProduct<OpenCLBuffer>) throws(BackendError) {
    let (left, right, output) = (operation.left, operation.right, operation.output)
    let rowsPerItem = 8
    let width = variant == .portable ? 64 : 16
    try perform(.partProduct) { stream throws(OpenCLError) in
      try stream.run(
        KernelIdentifier("part_product", scalar: .float64, ["ROWS_PER_ITEM": rowsPerItem]),
        [
          .matrix(left.matrix), .flag(left.isTransposed), .part(left.part), .matrix(right.matrix),
          .flag(right.isTransposed), .part(right.part), .matrix(operation.scale?.matrix ?? output),
          .size(operation.scale?.rows ?? 0), .part(operation.scale?.part ?? .all), .matrix(operation.bias ?? output),
          .flag(operation.bias != nil), .matrix(output), .flag(operation.accumulates),
          .real(operation.factor, .float64), .size(output.rows), .size(operation.inner), .size(output.columns),
        ],
        global: [output.columns.roundedUp(to: width), (output.rows + rowsPerItem - 1) / rowsPerItem],
        local: [width, 1])
    }
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
