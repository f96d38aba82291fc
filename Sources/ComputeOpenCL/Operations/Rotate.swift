public import Compute
import Failures
import OpenCLRuntime

extension OpenCLBackend {
  public func rotate(_ operation: Rotate<OpenCLBuffer>) throws(BackendError) {
    let (matrix, cosines) = (operation.matrix, operation.cosines)
    try perform(.rotate) { stream throws(OpenCLError) in
      // A pair is what the kernel takes for an element.
      try stream.run(
        "rotate", function: "rotate_pairs", variant,
        [
          .matrix(matrix), .matrix(cosines), .matrix(operation.sines), .flag(operation.pairing == .neighbours),
          .factor(operation.turnsBack ? -1 : 1), .size(operation.heads), .size(cosines.columns),
          .size(operation.tokens), .size(operation.leadingRows), .size(matrix.rows),
        ],
        elementsOf: matrix.columns(0..<matrix.columns / 2))
    }
  }
}
