public import Compute
import OpenCLRuntime

extension OpenCLBackend {
  public func copy(_ operation: Copy<OpenCLBuffer>) throws(BackendError) {
    let (rows, columns) = (operation.source.rows, operation.source.columns)
    try perform("copy") { stream throws(OpenCLError) in
      try stream.run(
        KernelIdentifier("copy"),
        [.matrix(operation.source), .matrix(operation.destination), .size(rows), .size(columns)],
        elementsOf: operation.destination)
    }
  }

  public func fill(_ operation: Fill<OpenCLBuffer>) throws(BackendError) {
    let (rows, columns) = (operation.destination.rows, operation.destination.columns)
    try perform("fill") { stream throws(OpenCLError) in
      try stream.run(
        KernelIdentifier("fill"),
        [.matrix(operation.destination), .factor(operation.value), .size(rows), .size(columns)],
        elementsOf: operation.destination)
    }
  }
}

extension CommandStream {
  /// Launches a work-item per element: dimension 0 is the column, dimension 1 the row. Neighbours in a group are
  /// neighbours in a row.
  func run(
    _ identifier: KernelIdentifier, _ arguments: [KernelArgument], elementsOf matrix: Matrix<OpenCLBuffer>
  ) throws(OpenCLError) {
    let width = 64
    try run(
      identifier, arguments, global: [matrix.columns.roundedUp(to: width), matrix.rows], local: [width, 1])
  }
}
