import Compute
import OpenCLRuntime

extension CommandStream {
  /// Launches a kernel that computes each element on its own, from the one file of both variants; in float64 the
  /// portable build on every device.
  ///
  /// Dimension 0 is the span of a row, dimension 1 the row. A span is one element for GPUs, where neighbours in a group
  /// are neighbours in a row, and `span` elements for processors, where a work-item should be worth its launch.
  /// - Parameter function: the kernel's name where it is not its file's.
  func run(
    _ kernel: String, function: String? = nil, _ variant: KernelVariant, _ arguments: [KernelArgument],
    elementsOf matrix: Matrix<OpenCLBuffer>, span: Int = 2048
  ) throws(OpenCLError) {
    // CUDA devices take no more groups in this dimension; the kernels go on with the rows beyond.
    let rows = min(matrix.rows, 65535)
    switch matrix.scalar == .float64 ? .portable : variant {
    case .portable, .matrix:
      let width = KernelIdentifier.elementGroup
      try run(
        KernelIdentifier(kernel, function: function, scalar: matrix.scalar), arguments,
        global: [matrix.columns.roundedUp(to: width), rows], local: [width, 1])
    case .cpu:
      try run(
        KernelIdentifier(kernel, function: function, lanes: 16, ["SPAN": span]), arguments,
        global: [matrix.columns.roundedUp(to: span) / span, rows], local: [1, 1])
    }
  }

  /// Launches a kernel that sums over each row: a group per row for GPUs, a work-item per row for processors; in
  /// float64 the portable kernel on every device.
  func run(
    _ kernel: String, _ variant: KernelVariant, _ arguments: [KernelArgument], rowsOf matrix: Matrix<OpenCLBuffer>
  ) throws(OpenCLError) {
    switch matrix.scalar == .float64 ? .portable : variant {
    case .portable, .matrix:
      let group = KernelIdentifier.rowGroup
      try run(
        .portableRow(kernel, matrix.scalar), arguments, global: [matrix.rows * group], local: [group])
    case .cpu:
      try run(KernelIdentifier(kernel, variant), arguments, global: [matrix.rows], local: [1])
    }
  }
}

extension KernelIdentifier {
  /// Work-items that sum over a row together.
  static let rowGroup = 128
  /// Neighbours that each compute one element.
  static let elementGroup = 64

  static func portableRow(_ kernel: String, _ scalar: Scalar) -> KernelIdentifier {
    KernelIdentifier(kernel, .portable, scalar: scalar, ["GROUP": rowGroup])
  }
}
