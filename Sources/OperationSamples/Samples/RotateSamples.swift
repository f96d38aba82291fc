import Compute
import Failures

/// Queries and keys of a fused projection behind a class token. They are changed in place, so that each run copies them
/// first.
struct RotateSample: OperationSample {
  let sizes: AttentionSizes
  let pairing: RotaryPairing

  let operation = OperationName.rotate
  var detail: String {
    "\(sizes.images)·\(sizes.tokens)×\(columns) heads \(2 * sizes.heads) \(pairing.rawValue) and a copy"
  }

  /// Of a head. One whose width is odd cannot be rotated, and stands for the next wider.
  private var pairs: Int { (sizes.width / sizes.heads + 1) / 2 }
  /// Of queries and keys.
  private var columns: Int { 4 * sizes.heads * pairs }

  func prepare<B: Backend>(on bench: SampleBench<B>) throws(BackendError) -> SampleRun {
    let fused = try bench.input(rows: sizes.rows, columns: columns / 2 * 3)
    let output = try bench.output(rows: fused.rows, columns: fused.columns)
    try bench.backend.copy(Copy(fused, to: output))
    let copy = Copy(fused.columns(0..<columns), to: output.columns(0..<columns))
    // Any numbers do for cosines and sines.
    let operation = Rotate(
      output.columns(0..<columns), heads: 2 * sizes.heads, tokens: sizes.tokens, leadingRows: 1,
      cosines: try bench.input(rows: sizes.tokens - 1, columns: pairs),
      sines: try bench.input(rows: sizes.tokens - 1, columns: pairs), pairing: pairing)
    return { () throws(BackendError) in
      try bench.backend.copy(copy)
      try bench.backend.rotate(operation)
    }
  }
}
