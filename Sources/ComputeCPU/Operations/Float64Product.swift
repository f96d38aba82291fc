import CSimd
public import Compute

extension CPUBackend {
  public func multiply(_ operation: Float64Product) throws(BackendError) -> Float64Matrix {
    let (left, right) = (operation.left, operation.right)
    var values = [Double](repeating: 0, count: left.rows * operation.columns)
    // Two vectors of doubles take as many bytes as one of a tile's columns of floats.
    let tileColumns = kernels.tileColumns / 2
    try unsafe left.values.withUnsafeBufferPointer { leftValues throws(BackendError) in
      try unsafe right.values.withUnsafeBufferPointer { rightValues throws(BackendError) in
        try unsafe values.withUnsafeMutableBufferPointer { output throws(BackendError) in
          let arguments = unsafe legrad_double_product(
            left: leftValues.baseAddress, rows: left.rows, inner: left.columns, right: rightValues.baseAddress,
            right_is_transposed: operation.rightIsTransposed, columns: operation.columns, output: output.baseAddress)
          try perform { crew throws(BackendError) in
            unsafe try crew.run(
              (operation.columns + tileColumns - 1) / tileColumns, arguments,
              scratchCount: 2 * left.columns * tileColumns, operation: "multiply", kernels.table.double_product)
          }
        }
      }
    }
    return Float64Matrix(rows: left.rows, columns: operation.columns, values: values)
  }
}
