import Compute
import Failures
import Synchronization
import VisionTransformer

/// A backend without memory and without results: what passes through it has shapes alone.
struct ShapeBackend: Backend {
  struct Buffer: Sendable {}
  struct Weight: Sendable {}

  let precision: Precision
  var rowsToJoin = 0
  let deviceDescription = "shapes"
  let traffic = Traffic()
  let profile: [String: KernelTime] = [:]
  let hasFloat64 = true
  let peakBytes: Int? = nil

  func measurePeak() throws(BackendError) -> Double { 0 }
  func synchronize() throws(BackendError) {}

  func makeMatrix(rows: Int, columns: Int, of scalar: Scalar) throws(BackendError) -> Matrix<Buffer> {
    Matrix(buffer: Buffer(), rows: rows, columns: columns, scalar: scalar)
  }

  func prepare(
    _ values: Span<Float>, rows: Int, columns: Int, group: WeightGroup?
  ) throws(BackendError) -> Weight { Weight() }

  func upload(_ values: Span<Float>, to matrix: Matrix<Buffer>) throws(BackendError) {}
  func upload(_ values: Span<Double>, to matrix: Matrix<Buffer>) throws(BackendError) {}
  func download(_ matrix: Matrix<Buffer>, into values: inout MutableSpan<Float>) throws(BackendError) {}
  func download(_ matrix: Matrix<Buffer>, into values: inout MutableSpan<Double>) throws(BackendError) {}
  func matmul(_ operation: Matmul<Buffer, Weight>) throws(BackendError) {}
  func copy(_ operation: Copy<Buffer>) throws(BackendError) {}
  func fill(_ operation: Fill<Buffer>) throws(BackendError) {}
  func patchify(_ operation: Patchify<Buffer>) throws(BackendError) {}
  func gatherRows(_ operation: GatherRows<Buffer>) throws(BackendError) {}
  func layerNorm(_ operation: LayerNorm<Buffer>) throws(BackendError) {}
  func softmax(_ operation: Softmax<Buffer>) throws(BackendError) {}
  func attention(_ operation: Attention<Buffer>) throws(BackendError) {}
  func activate(_ operation: Activate<Buffer>) throws(BackendError) {}
  func gate(_ operation: Gate<Buffer>) throws(BackendError) {}
  func rotate(_ operation: Rotate<Buffer>) throws(BackendError) {}
  func meanRows(_ operation: MeanRows<Buffer>) throws(BackendError) {}
  func normalizeRows(_ operation: NormalizeRows<Buffer>) throws(BackendError) {}
  func normalizeRowsBackward(_ operation: NormalizeRowsBackward<Buffer>) throws(BackendError) {}
  func activationBackward(_ operation: ActivationBackward<Buffer>) throws(BackendError) {}
  func layerNormBackward(_ operation: LayerNormBackward<Buffer>) throws(BackendError) {}
  func foldedNormBackward(_ operation: FoldedNormBackward<Buffer>) throws(BackendError) {}
  func addRows(_ operation: AddRows<Buffer>) throws(BackendError) {}
  func softmaxBackward(_ operation: SoftmaxBackward<Buffer>) throws(BackendError) {}
  func attentionBackward(_ operation: AttentionBackward<Buffer>) throws(BackendError) {}
  func attentionRelevance(_ operation: AttentionRelevance<Buffer>) throws(BackendError) {}
  func keyScores(_ operation: KeyScores<Buffer>) throws(BackendError) {}
  func keyRelevance(_ operation: KeyRelevance<Buffer>) throws(BackendError) {}
  func tokenSums(_ operation: TokenSums<Buffer>) throws(BackendError) {}
  func tokenSumsBackward(_ operation: TokenSumsBackward<Buffer>) throws(BackendError) {}
  func rowThroughMap(_ operation: RowThroughMap<Buffer>) throws(BackendError) {}
  func partProduct(_ operation: PartProduct<Buffer>) throws(BackendError) {}
  func relevanceShare(_ operation: RelevanceShare<Buffer>) throws(BackendError) {}
}

/// A model's configuration with zeros for weights: what asks for shapes alone reads no file.
final class ShapeSource: WeightSource {
  let configuration: ModelConfiguration
  private let counts: [String: Int]
  /// By their number, so that the blocks of a tower share their zeros.
  private let zeros = Mutex<[Int: [Float]]>([:])

  init(_ configuration: ModelConfiguration) {
    self.configuration = configuration
    counts = Dictionary(uniqueKeysWithValues: configuration.canonicalTensors.map { ($0.name, $0.elementCount) })
  }

  func floats(_ canonicalName: String) throws(CheckpointError) -> [Float] {
    guard let count = counts[canonicalName] else {
      throw CheckpointError(
        .unknownTensor, file: "shapes", place: "tensor \"\(canonicalName)\"", expected: "a tensor of this model",
        found: "none of this name", remedy: "ask for one of its canonical tensors")
    }
    return array(of: count)
  }

  func tokenEmbeddingRows(ids: [Int]) throws(CheckpointError) -> [Float] {
    array(of: ids.count * (configuration.text?.width ?? 0))
  }

  private func array(of count: Int) -> [Float] {
    zeros.withLock { zeros in
      let array = zeros[count] ?? [Float](repeating: 0, count: count)
      zeros[count] = array
      return array
    }
  }
}
