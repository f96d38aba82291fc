public import Compute
import Failures
import OpenCLRuntime

extension OpenCLBackend {
  public func layerNorm(_ operation: LayerNorm<OpenCLBuffer>) throws(BackendError) {
    let output = operation.output
    try perform(.layerNorm) { stream throws(OpenCLError) in
      try stream.run(
        "layer_norm", variant,
        [
          .matrix(operation.input), .matrix(operation.scale), .matrix(operation.shift), .matrix(output),
          .matrix(operation.statistics ?? output), .flag(operation.statistics != nil), .factor(operation.epsilon),
          .size(output.columns),
        ],
        rowsOf: output)
    }
  }

  public func layerNormBackward(_ operation: LayerNormBackward<OpenCLBuffer>) throws(BackendError) {
    let (upstream, output) = (operation.upstream, operation.output)
    try perform(.layerNormBackward) { stream throws(OpenCLError) in
      try stream.run(
        "layer_norm_backward", variant,
        [
          .matrix(upstream), .matrix(operation.input), .matrix(operation.statistics), .matrix(operation.scale),
          .matrix(operation.addend ?? upstream), .matrix(output), .flag(upstream.rows != output.rows),
          .flag(operation.addend != nil), .size(operation.stack.copies), .size(operation.stack.rows),
          .size(output.rows / operation.scale.rows), .factor(operation.factor), .size(output.columns),
        ],
        rowsOf: output)
    }
  }
}
