public import Compute
import OpenCLRuntime

extension OpenCLBackend {
  public func multiply(_ operation: Float64Product) throws(BackendError) -> Float64Matrix {
    let (left, right, columns) = (operation.left, operation.right, operation.columns)
    guard device.hasDoubles else {
      throw BackendError(
        .unsupported, operation: "multiply", "\(device.name) has no float64 (cl_khr_fp64); use --device cpu")
    }
    var values = [Double](repeating: 0, count: left.rows * columns)
    try perform("multiply") { stream throws(OpenCLError) in
      let places = try [("left", left.values.count), ("right", right.values.count), ("output", values.count)].map {
        place throws(OpenCLError) in
        // A double is two floats.
        try stream.scratch("float64 \(place.0)", floats: 2 * place.1)
      }
      try stream.uploadAndWait(left.values.span, to: places[0].columns(0..<2 * left.values.count).region)
      try stream.uploadAndWait(right.values.span, to: places[1].columns(0..<2 * right.values.count).region)
      let rowsPerItem = 8
      let width = variant == .portable ? 64 : 16
      try stream.run(
        KernelIdentifier("float64_product"),
        places.map { .memory($0.buffer.memory) } + [
          .flag(operation.rightIsTransposed), .size(left.rows), .size(left.columns), .size(columns),
        ],
        global: [columns.roundedUp(to: width), (left.rows + rowsPerItem - 1) / rowsPerItem], local: [width, 1])
      var span = values.mutableSpan
      unsafe try span.withUnsafeMutableBytes { bytes throws(OpenCLError) in
        guard let start = bytes.baseAddress else { return }
        unsafe try stream.download(places[2].columns(0..<bytes.count / MemoryLayout<Float>.size).region, into: start)
      }
    }
    return Float64Matrix(rows: left.rows, columns: columns, values: values)
  }
}
