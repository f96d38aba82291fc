public import Compute
import Failures
import OpenCLRuntime

extension OpenCLBackend {
  public func gatherRows(_ operation: GatherRows<OpenCLBuffer>) throws(BackendError) {
    let (source, output) = (operation.source, operation.output)
    let rowNumbers = operation.rowNumbers.map { UInt32($0) }
    let copy = HostCopy(rowNumbers.span)
    try perform(.gatherRows) { stream throws(OpenCLError) in
      // As wide as a float each. The queue is in order: an earlier gathering has read its own by then.
      let numbers = try stream.numbers("row numbers", copy, count: rowNumbers.count)
      try stream.run(
        "gather_rows", variant,
        [
          .matrix(source), .memory(numbers), .matrix(output), .size(output.rows), .size(output.columns),
        ],
        elementsOf: output)
    }
    count { $0.uploadedBytes += rowNumbers.count * MemoryLayout<UInt32>.size }
  }
}
