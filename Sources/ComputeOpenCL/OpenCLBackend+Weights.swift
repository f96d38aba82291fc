public import Compute
import Failures
import OpenCLRuntime

extension OpenCLBackend {
  public func prepare(
    _ values: Span<Float>, rows: Int, columns: Int, group: WeightGroup?
  ) throws(BackendError) -> OpenCLWeight {
    precondition(
      rows > 0 && columns > 0 && values.count == rows * columns,
      "prepare: \(values.count) values for a \(rows)×\(columns) weight")
    let layout = WeightLayout(outputs: rows, inputs: columns, variant)
    let shelf = rowsToJoin > 0 ? group.flatMap { shelves.shelf(for: $0, layout) } : nil
    let group = streamsWeights ? group : nil
    let (place, overflows) = try perform(.prepare) { stream throws(OpenCLError) in
      let staging = try stream.staging("weight", floats: rows * columns).asMatrix(rows: rows, columns: columns)
      try stream.uploadAndWait(values, to: staging.region)
      guard let group else {
        let (target, offset) = try shelves.room(on: shelf, for: layout.bytes(precision), in: memory)
        let overflows = try packWeight(
          staging, layout, into: target.memory, offset: offset / precision.bytes, on: stream)
        return (OpenCLWeight.Place.resident(target, offset: offset), overflows)
      }
      let bytes = layout.bytes(precision)
      let packed = try stream.staging("packed weight", floats: (bytes + 3) / 4).buffer.memory
      let overflows = try packWeight(staging, layout, into: packed, on: stream)
      let host = unsafe try HostCopy(byteCount: bytes) { destination throws(OpenCLError) in
        unsafe try stream.download(OpenCLRegion(packed, rowBytes: bytes), into: destination)
      }
      return (.streamed(host, group: group), overflows)
    }
    let weight = OpenCLWeight(layout, precision: precision, place: place)
    if overflows > 0 {
      throw BackendError(
        .unsupported, operation: .prepare,
        "\(overflows) values of a \(rows)×\(columns) weight exceed the range of \(precision.rawValue); use f32")
    }
    if let group { registry.add(weight, to: group) }
    count { $0.weightBytes += weight.bytes }
    return weight
  }
}

extension Matrix<OpenCLBuffer> {
  /// A part of scratch memory in another shape.
  func asMatrix(rows: Int, columns: Int) -> Matrix {
    Matrix(buffer: buffer, offset: offset, rows: rows, columns: columns)
  }
}
