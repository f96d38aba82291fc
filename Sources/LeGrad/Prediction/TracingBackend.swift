import Compute
import Synchronization
import VisionTransformer

/// An operation that was enqueued, and the time that the device took for it.
struct TracedOperation: Sendable {
  let work: OperationWork
  /// Of the device where it keeps the time of kernels; else from its start to the end of a wait.
  let seconds: Double
}

/// What keeps the operations of a run.
protocol OperationTracer: Sendable {
  /// Runs `body` and keeps what it asks for.
  func trace<Failure: Error>(_ body: () throws(Failure) -> Void) throws(Failure) -> [TracedOperation]
}

/// A backend that keeps a list of what it is asked for while somebody wants it, and its times.
///
/// Operations wait for the device then, so that each has its own time. Otherwise all calls pass.
final class TracingBackend<Base: Backend>: Backend, OperationTracer {
  typealias Buffer = Base.Buffer

  struct Weight: Sendable {
    let base: Base.Weight
    /// Counts the weights in the order in which they were prepared.
    let number: Int
  }

  private let base: Base
  private let state = Mutex(State())

  private struct State: Sendable {
    var prepared = 0
    var roles: [Int: WeightRole] = [:]
    var isTracing = false
    var operations: [TracedOperation] = []
  }

  init(_ base: Base) { self.base = base }

  /// Says which weights belong to which layers of a tower.
  func label(_ tower: VisionTower<TracingBackend>) {
    var roles: [Int: WeightRole] = [:]
    for block in tower.blocks {
      roles[block.queriesKeysValues.weight.number] = .queriesKeysValues
      roles[block.attentionOutput.weight.number] = .attentionOutput
      roles[block.mlpInput.weight.number] = .mlpInput
      roles[block.mlpOutput.weight.number] = .mlpOutput
      if let folded = block.folded { roles[folded.weight.number] = .mlpInput }
    }
    roles[tower.patchEmbedding.weight.number] = .patchEmbedding
    if let projection = tower.projection { roles[projection.weight.number] = .projection }
    if let pooler = tower.pooler {
      let mlp = [pooler.mlp?.input.weight, pooler.mlp?.output.weight].compactMap(\.self)
      for weight in pooler.values + [pooler.output.weight] + mlp { roles[weight.number] = .pooler }
    }
    state.withLock { [roles] in $0.roles = roles }
  }

  func trace<Failure: Error>(_ body: () throws(Failure) -> Void) throws(Failure) -> [TracedOperation] {
    state.withLock {
      $0.isTracing = true
      $0.operations = []
    }
    defer { state.withLock { $0.isTracing = false } }
    try body()
    return state.withLock { $0.operations }
  }

  private func run(
    _ work: @autoclosure () -> OperationWork, _ body: () throws(BackendError) -> Void
  ) throws(BackendError) {
    guard state.withLock({ $0.isTracing }) else { return try body() }
    try base.synchronize()
    let kernelsBefore = kernelNanoseconds
    let start = ContinuousClock.now
    try body()
    try base.synchronize()
    let elapsed = (ContinuousClock.now - start) / .seconds(1)
    let kernels = Double(kernelNanoseconds - kernelsBefore) * 1e-9
    let traced = TracedOperation(work: work(), seconds: kernels > 0 ? kernels : elapsed)
    state.withLock { $0.operations.append(traced) }
  }

  private var kernelNanoseconds: UInt64 { base.profile.values.reduce(0) { $0 + $1.nanoseconds } }

  var precision: Precision { base.precision }
  var rowsToJoin: Int { base.rowsToJoin }
  var deviceDescription: String { base.deviceDescription }
  var traffic: Traffic { base.traffic }
  var peakBytes: Int? { base.peakBytes }
  var bytesInUse: Int? { base.bytesInUse }
  var profile: [String: KernelTime] { base.profile }
  var hasFloat64: Bool { base.hasFloat64 }

  func measurePeak() throws(BackendError) -> Double { try base.measurePeak() }
  func synchronize() throws(BackendError) { try base.synchronize() }

  func makeMatrix(rows: Int, columns: Int, of scalar: Scalar) throws(BackendError) -> Matrix<Buffer> {
    try base.makeMatrix(rows: rows, columns: columns, of: scalar)
  }

  func prepare(
    _ values: Span<Float>, rows: Int, columns: Int, group: WeightGroup?
  ) throws(BackendError) -> Weight {
    numbered(try base.prepare(values, rows: rows, columns: columns, group: group))
  }

  func prepare(
    _ stored: StoredWeight, rows: Int, columns: Int, group: WeightGroup?
  ) throws(BackendError) -> Weight? {
    try base.prepare(stored, rows: rows, columns: columns, group: group).map(numbered)
  }

  private func numbered(_ weight: Base.Weight) -> Weight {
    let number = state.withLock { state in
      state.prepared += 1
      return state.prepared
    }
    return Weight(base: weight, number: number)
  }

  func upload(_ values: Span<Float>, to matrix: Matrix<Buffer>) throws(BackendError) {
    try run(OperationWork(transfer: .upload, matrix)) { () throws(BackendError) in
      try base.upload(values, to: matrix)
    }
  }

  func upload(_ values: Span<Double>, to matrix: Matrix<Buffer>) throws(BackendError) {
    try run(OperationWork(transfer: .upload, matrix)) { () throws(BackendError) in
      try base.upload(values, to: matrix)
    }
  }

  func download(_ matrix: Matrix<Buffer>, into values: inout MutableSpan<Float>) throws(BackendError) {
    try run(OperationWork(transfer: .download, matrix)) { () throws(BackendError) in
      try base.download(matrix, into: &values)
    }
  }

  func download(_ matrix: Matrix<Buffer>, into values: inout MutableSpan<Double>) throws(BackendError) {
    try run(OperationWork(transfer: .download, matrix)) { () throws(BackendError) in
      try base.download(matrix, into: &values)
    }
  }

  func matmul(_ operation: Matmul<Buffer, Weight>) throws(BackendError) {
    let role = state.withLock { $0.roles[operation.weights[0].number] }
    let scale = operation.inputScale.map {
      Matmul<Buffer, Base.Weight>.InputScale(scales: $0.scales, stack: $0.stack)
    }
    let (epilogue, weights) = (operation.epilogue, operation.weights.map(\.base))
    let side: Matmul<Buffer, Base.Weight>.Side = operation.side == .outputs ? .outputs : .inputs
    let inner =
      weights.count > 1
      ? Matmul(input: operation.input, inputScale: scale, weights: weights, side: side, output: operation.output)
      : Matmul(
        input: operation.input, inputScale: scale, weight: weights[0], side: side, output: operation.output,
        epilogue: .init(
          bias: epilogue.bias, activation: epilogue.activation, derivative: epilogue.derivative,
          slopes: epilogue.slopes, residual: epilogue.residual))
    try run(OperationWork(operation, role: role, precision: precision)) { () throws(BackendError) in
      try base.matmul(inner)
    }
  }

  func copy(_ operation: Copy<Buffer>) throws(BackendError) {
    try run(OperationWork(operation)) { () throws(BackendError) in try base.copy(operation) }
  }

  func fill(_ operation: Fill<Buffer>) throws(BackendError) {
    try run(OperationWork(operation)) { () throws(BackendError) in try base.fill(operation) }
  }

  func patchify(_ operation: Patchify<Buffer>) throws(BackendError) {
    try run(OperationWork(operation)) { () throws(BackendError) in try base.patchify(operation) }
  }

  func gatherRows(_ operation: GatherRows<Buffer>) throws(BackendError) {
    try run(OperationWork(operation)) { () throws(BackendError) in try base.gatherRows(operation) }
  }

  func layerNorm(_ operation: LayerNorm<Buffer>) throws(BackendError) {
    try run(OperationWork(operation)) { () throws(BackendError) in try base.layerNorm(operation) }
  }

  func softmax(_ operation: Softmax<Buffer>) throws(BackendError) {
    try run(OperationWork(operation)) { () throws(BackendError) in try base.softmax(operation) }
  }

  func attention(_ operation: Attention<Buffer>) throws(BackendError) {
    try run(OperationWork(operation)) { () throws(BackendError) in try base.attention(operation) }
  }

  func activate(_ operation: Activate<Buffer>) throws(BackendError) {
    try run(OperationWork(operation)) { () throws(BackendError) in try base.activate(operation) }
  }

  func gate(_ operation: Gate<Buffer>) throws(BackendError) {
    try run(OperationWork(operation)) { () throws(BackendError) in try base.gate(operation) }
  }

  func rotate(_ operation: Rotate<Buffer>) throws(BackendError) {
    try run(OperationWork(operation)) { () throws(BackendError) in try base.rotate(operation) }
  }

  func meanRows(_ operation: MeanRows<Buffer>) throws(BackendError) {
    try run(OperationWork(operation)) { () throws(BackendError) in try base.meanRows(operation) }
  }

  func normalizeRows(_ operation: NormalizeRows<Buffer>) throws(BackendError) {
    try run(OperationWork(operation)) { () throws(BackendError) in try base.normalizeRows(operation) }
  }

  func normalizeRowsBackward(_ operation: NormalizeRowsBackward<Buffer>) throws(BackendError) {
    try run(OperationWork(operation)) { () throws(BackendError) in try base.normalizeRowsBackward(operation) }
  }

  func activationBackward(_ operation: ActivationBackward<Buffer>) throws(BackendError) {
    try run(OperationWork(operation)) { () throws(BackendError) in try base.activationBackward(operation) }
  }

  func layerNormBackward(_ operation: LayerNormBackward<Buffer>) throws(BackendError) {
    try run(OperationWork(operation)) { () throws(BackendError) in try base.layerNormBackward(operation) }
  }

  func foldedNormBackward(_ operation: FoldedNormBackward<Buffer>) throws(BackendError) {
    try run(OperationWork(operation)) { () throws(BackendError) in try base.foldedNormBackward(operation) }
  }

  func addRows(_ operation: AddRows<Buffer>) throws(BackendError) {
    try run(OperationWork(operation)) { () throws(BackendError) in try base.addRows(operation) }
  }

  func softmaxBackward(_ operation: SoftmaxBackward<Buffer>) throws(BackendError) {
    try run(OperationWork(operation)) { () throws(BackendError) in try base.softmaxBackward(operation) }
  }

  func attentionBackward(_ operation: AttentionBackward<Buffer>) throws(BackendError) {
    try run(OperationWork(operation)) { () throws(BackendError) in try base.attentionBackward(operation) }
  }

  func attentionRelevance(_ operation: AttentionRelevance<Buffer>) throws(BackendError) {
    try run(OperationWork(operation)) { () throws(BackendError) in try base.attentionRelevance(operation) }
  }

  func keyScores(_ operation: KeyScores<Buffer>) throws(BackendError) {
    try run(OperationWork(operation)) { () throws(BackendError) in try base.keyScores(operation) }
  }

  func keyRelevance(_ operation: KeyRelevance<Buffer>) throws(BackendError) {
    try run(OperationWork(operation)) { () throws(BackendError) in try base.keyRelevance(operation) }
  }

  func tokenSums(_ operation: TokenSums<Buffer>) throws(BackendError) {
    try run(OperationWork(operation)) { () throws(BackendError) in try base.tokenSums(operation) }
  }

  func tokenSumsBackward(_ operation: TokenSumsBackward<Buffer>) throws(BackendError) {
    try run(OperationWork(operation)) { () throws(BackendError) in try base.tokenSumsBackward(operation) }
  }

  func rowThroughMap(_ operation: RowThroughMap<Buffer>) throws(BackendError) {
    try run(OperationWork(operation)) { () throws(BackendError) in try base.rowThroughMap(operation) }
  }

  func partProduct(_ operation: PartProduct<Buffer>) throws(BackendError) {
    try run(OperationWork(operation)) { () throws(BackendError) in try base.partProduct(operation) }
  }

  func relevanceShare(_ operation: RelevanceShare<Buffer>) throws(BackendError) {
    try run(OperationWork(operation)) { () throws(BackendError) in try base.relevanceShare(operation) }
  }
}
