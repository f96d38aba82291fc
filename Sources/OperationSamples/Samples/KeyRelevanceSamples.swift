import Compute
import Failures

struct KeyRelevanceSample: OperationSample {
  let sizes: AttentionSizes
  let reading: HeadReading

  let operation = OperationName.keyRelevance
  var detail: String { "\(sizes.detailWithPrompts) \(reading)" }

  func prepare<B: Backend>(on bench: SampleBench<B>) throws(BackendError) -> SampleRun {
    let (tokens, heads) = (sizes.tokens, sizes.heads)
    var map: Matrix<B.Buffer>?
    var gradient: Matrix<B.Buffer>?
    if reading.readsMap { map = try bench.input(rows: sizes.images * heads, columns: tokens, mean: 2) }
    if reading.readsGradient { gradient = try bench.input(rows: sizes.stacked * heads, columns: tokens, mean: 0.5) }
    let operation = KeyRelevance(
      reading, map: map, gradient: gradient, heads: heads, leadingKeys: 1, factor: 0.5,
      relevance: try bench.output(rows: reading.readsGradient ? sizes.stacked : sizes.images, columns: tokens))
    return { () throws(BackendError) in try bench.backend.keyRelevance(operation) }
  }
}
