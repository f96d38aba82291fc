public import Compute
import Failures
import OpenCLRuntime

extension OpenCLBackend {
  public func copy(_ operation: Copy<OpenCLBuffer>) throws(BackendError) {
    let (source, destination) = (operation.source, operation.destination)
    try perform(.copy) { stream throws(OpenCLError) in
      try stream.run(
        "copy", variant, [.matrix(source), .matrix(destination), .size(source.rows), .size(source.columns)],
        elementsOf: destination)
    }
  }

  public func fill(_ operation: Fill<OpenCLBuffer>) throws(BackendError) {
    let (destination, value) = (operation.destination, operation.value)
    try perform(.fill) { stream throws(OpenCLError) in
      try stream.run(
        "fill", variant, [.matrix(destination), .factor(value), .size(destination.rows), .size(destination.columns)],
        elementsOf: destination)
    }
  }
}
