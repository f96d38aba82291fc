import Compute
import Failures

/// The sizes of attention in a tower, and of what methods read of it.
struct AttentionSizes: Sendable {
  let images: Int
  var prompts = 1
  let tokens: Int
  let heads: Int
  let width: Int

  var stack: RowStack { RowStack(copies: prompts, rows: tokens) }
  /// Pairs of an image and a prompt.
  var stacked: Int { images * prompts }
  /// Rows of all images.
  var rows: Int { images * tokens }
  /// Floating-point operations of one product with the maps of all heads, for every image and prompt.
  var product: Double { 2 * Double(stacked) * Double(tokens) * Double(tokens) * Double(width) }

  var detail: String { "\(images)·\(tokens)×\(width) heads \(heads)" }
  var detailWithPrompts: String { "\(detail) prompts \(prompts)" }
}

/// Queries, keys and values as three column ranges of one matrix, as a fused projection leaves them.
struct FusedProjection<B: Backend> {
  let queries: Matrix<B.Buffer>
  let keys: Matrix<B.Buffer>
  let values: Matrix<B.Buffer>

  init(_ sizes: AttentionSizes, on bench: SampleBench<B>) throws(BackendError) {
    let (width, fused) = (sizes.width, try bench.input(rows: sizes.rows, columns: 3 * sizes.width))
    queries = fused.columns(0..<width)
    keys = fused.columns(width..<2 * width)
    values = fused.columns(2 * width..<3 * width)
  }
}
