public import Compute
import Failures
import OpenCLRuntime

extension OpenCLBackend {
  public func patchify(_ operation: Patchify<OpenCLBuffer>) throws(BackendError) {
    let (pixels, patches) = (operation.pixels, operation.patches)
    try perform(.patchify) { stream throws(OpenCLError) in
      try stream.run(
        "patchify", variant,
        [
          .matrix(pixels), .matrix(patches), .size(operation.height), .size(operation.width), .size(operation.patch),
          .size(operation.leadingRows), .size(patches.rows), .size(patches.columns),
        ],
        elementsOf: patches)
    }
  }
}
