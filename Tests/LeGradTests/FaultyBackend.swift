import Compute
import Failures
import Synchronization

/// A backend that does one thing wrong, or refuses it, and counts what it is asked for.
final class FaultyBackend<Base: Backend>: Backend {
  typealias Buffer = Base.Buffer
  typealias Weight = Base.Weight

  enum Fault: Sendable {
    case none
    /// One element of every result is off by one.
    case wrong(OperationName)
    /// One element of every result is not a number.
    case notANumber(OperationName)
    /// As `wrong`, from the second time on.
    case unsteady(OperationName)
    case refused(OperationName)
    /// The guard of `relevanceShare` is another.
    case wrongGuard(Double)
  }

  private let base: Base
  private let fault: Fault
  let rowsToJoin: Int
  private let largestMatrix: Int
  private let calls = Mutex<[OperationName: Int]>([:])

  /// - Parameters:
  ///   - rowsToJoin: in place of the base's.
  ///   - largestMatrix: bytes beyond which there is no memory.
  init(_ base: Base, _ fault: Fault, rowsToJoin: Int? = nil, largestMatrix: Int = .max) {
    self.base = base
    self.fault = fault
    self.rowsToJoin = rowsToJoin ?? base.rowsToJoin
    self.largestMatrix = largestMatrix
  }

  var called: Set<OperationName> { calls.withLock { Set($0.keys) } }

  var callCount: Int { calls.withLock { $0.values.reduce(0, +) } }

  /// Counts a call, and says how its result changes.
  private func change(_ operation: OperationName) throws(BackendError) -> ((inout Float) -> Void)? {
    let count = calls.withLock { calls in
      calls[operation, default: 0] += 1
      return calls[operation, default: 0]
    }
    switch fault {
    case .wrong(operation): return { $0 += 1 }
    case .notANumber(operation): return { $0 = .nan }
    case .unsteady(operation) where count > 1: return { $0 += Float(count) }
    case .refused(operation):
      throw BackendError(.launchFailed, operation: operation, "the device is on strike")
    default: return nil
    }
  }

  private func run(
    _ operation: OperationName, _ output: Matrix<Buffer>, _ body: () throws(BackendError) -> Void
  ) throws(BackendError) {
    let change = try change(operation)
    try body()
    guard let change else { return }
    switch output.scalar {
    case .float32:
      var values = [Float](repeating: 0, count: output.rows * output.columns)
      var span = values.mutableSpan
      try base.download(output, into: &span)
      change(&values[values.count / 2])
      try base.upload(values.span, to: output)
    case .float64:
      var values = [Double](repeating: 0, count: output.rows * output.columns)
      var span = values.mutableSpan
      try base.download(output, into: &span)
      Self.change(&values[values.count / 2], change)
      try base.upload(values.span, to: output)
    }
  }

  private static func change(_ value: inout Double, _ change: (inout Float) -> Void) {
    var narrow = Float(value)
    change(&narrow)
    value = Double(narrow)
  }

  var precision: Precision { base.precision }
  var deviceDescription: String { "faulty " + base.deviceDescription }
  var traffic: Traffic { base.traffic }
  var peakBytes: Int? { base.peakBytes }
  var profile: [String: KernelTime] { base.profile }
  var hasFloat64: Bool { base.hasFloat64 }

  func measurePeak() throws(BackendError) -> Double { try base.measurePeak() }
  func synchronize() throws(BackendError) { try base.synchronize() }
  func makeMatrix(rows: Int, columns: Int, of scalar: Scalar) throws(BackendError) -> Matrix<Buffer> {
    guard rows * columns * scalar.bytes <= largestMatrix else {
      throw BackendError(.outOfMemory, operation: .makeMatrix, "no \(rows)×\(columns) here")
    }
    return try base.makeMatrix(rows: rows, columns: columns, of: scalar)
  }

  func prepare(
    _ values: Span<Float>, rows: Int, columns: Int, group: WeightGroup?
  ) throws(BackendError) -> Weight {
    var copy = values.indices.map { values[$0] }
    if let change = try change(.prepare) { change(&copy[copy.count / 2]) }
    return try base.prepare(copy.span, rows: rows, columns: columns, group: group)
  }

  func upload(_ values: Span<Float>, to matrix: Matrix<Buffer>) throws(BackendError) {
    try run(.upload, matrix) { () throws(BackendError) in try base.upload(values, to: matrix) }
  }

  func upload(_ values: Span<Double>, to matrix: Matrix<Buffer>) throws(BackendError) {
    try run(.upload, matrix) { () throws(BackendError) in try base.upload(values, to: matrix) }
  }

  func download(_ matrix: Matrix<Buffer>, into values: inout MutableSpan<Float>) throws(BackendError) {
    let change = try change(.download)
    try base.download(matrix, into: &values)
    change?(&values[values.count / 2])
  }

  func download(_ matrix: Matrix<Buffer>, into values: inout MutableSpan<Double>) throws(BackendError) {
    let change = try change(.download)
    try base.download(matrix, into: &values)
    if let change { Self.change(&values[values.count / 2], change) }
  }

  func copy(_ operation: Copy<Buffer>) throws(BackendError) {
    try run(.copy, operation.destination) { () throws(BackendError) in try base.copy(operation) }
  }

  func fill(_ operation: Fill<Buffer>) throws(BackendError) {
    try run(.fill, operation.destination) { () throws(BackendError) in try base.fill(operation) }
  }

  func patchify(_ operation: Patchify<Buffer>) throws(BackendError) {
    try run(.patchify, operation.patches) { () throws(BackendError) in try base.patchify(operation) }
  }

  func gatherRows(_ operation: GatherRows<Buffer>) throws(BackendError) {
    try run(.gatherRows, operation.output) { () throws(BackendError) in try base.gatherRows(operation) }
  }

  func layerNorm(_ operation: LayerNorm<Buffer>) throws(BackendError) {
    try run(.layerNorm, operation.output) { () throws(BackendError) in try base.layerNorm(operation) }
  }

  func matmul(_ operation: Matmul<Buffer, Weight>) throws(BackendError) {
    try run(.matmul, operation.output) { () throws(BackendError) in try base.matmul(operation) }
  }

  func softmax(_ operation: Softmax<Buffer>) throws(BackendError) {
    try run(.softmax, operation.output) { () throws(BackendError) in try base.softmax(operation) }
  }

  func attention(_ operation: Attention<Buffer>) throws(BackendError) {
    try run(.attention, operation.output) { () throws(BackendError) in try base.attention(operation) }
  }

  func activate(_ operation: Activate<Buffer>) throws(BackendError) {
    try run(.activate, operation.output) { () throws(BackendError) in try base.activate(operation) }
  }

  func gate(_ operation: Gate<Buffer>) throws(BackendError) {
    try run(.gate, operation.output) { () throws(BackendError) in try base.gate(operation) }
  }

  func rotate(_ operation: Rotate<Buffer>) throws(BackendError) {
    try run(.rotate, operation.matrix) { () throws(BackendError) in try base.rotate(operation) }
  }

  func meanRows(_ operation: MeanRows<Buffer>) throws(BackendError) {
    try run(.meanRows, operation.output) { () throws(BackendError) in try base.meanRows(operation) }
  }

  func normalizeRows(_ operation: NormalizeRows<Buffer>) throws(BackendError) {
    try run(.normalizeRows, operation.output) { () throws(BackendError) in try base.normalizeRows(operation) }
  }

  func normalizeRowsBackward(_ operation: NormalizeRowsBackward<Buffer>) throws(BackendError) {
    try run(.normalizeRowsBackward, operation.gradient) { () throws(BackendError) in
      try base.normalizeRowsBackward(operation)
    }
  }

  func activationBackward(_ operation: ActivationBackward<Buffer>) throws(BackendError) {
    try run(.activationBackward, operation.gradient) { () throws(BackendError) in
      try base.activationBackward(operation)
    }
  }

  func layerNormBackward(_ operation: LayerNormBackward<Buffer>) throws(BackendError) {
    try run(.layerNormBackward, operation.output) { () throws(BackendError) in
      try base.layerNormBackward(operation)
    }
  }

  func foldedNormBackward(_ operation: FoldedNormBackward<Buffer>) throws(BackendError) {
    try run(.foldedNormBackward, operation.output) { () throws(BackendError) in
      try base.foldedNormBackward(operation)
    }
  }

  func addRows(_ operation: AddRows<Buffer>) throws(BackendError) {
    try run(.addRows, operation.output) { () throws(BackendError) in try base.addRows(operation) }
  }

  func softmaxBackward(_ operation: SoftmaxBackward<Buffer>) throws(BackendError) {
    try run(.softmaxBackward, operation.gradient) { () throws(BackendError) in try base.softmaxBackward(operation) }
  }

  func attentionBackward(_ operation: AttentionBackward<Buffer>) throws(BackendError) {
    try run(.attentionBackward, operation.keyGradient) { () throws(BackendError) in
      try base.attentionBackward(operation)
    }
  }

  func attentionRelevance(_ operation: AttentionRelevance<Buffer>) throws(BackendError) {
    try run(.attentionRelevance, operation.relevance) { () throws(BackendError) in
      try base.attentionRelevance(operation)
    }
  }

  func keyScores(_ operation: KeyScores<Buffer>) throws(BackendError) {
    try run(.keyScores, operation.scores) { () throws(BackendError) in try base.keyScores(operation) }
  }

  func keyRelevance(_ operation: KeyRelevance<Buffer>) throws(BackendError) {
    try run(.keyRelevance, operation.relevance) { () throws(BackendError) in try base.keyRelevance(operation) }
  }

  func tokenSums(_ operation: TokenSums<Buffer>) throws(BackendError) {
    try run(.tokenSums, operation.sums) { () throws(BackendError) in try base.tokenSums(operation) }
  }

  func tokenSumsBackward(_ operation: TokenSumsBackward<Buffer>) throws(BackendError) {
    try run(.tokenSumsBackward, operation.gradient) { () throws(BackendError) in
      try base.tokenSumsBackward(operation)
    }
  }

  func rowThroughMap(_ operation: RowThroughMap<Buffer>) throws(BackendError) {
    try run(.rowThroughMap, operation.output) { () throws(BackendError) in try base.rowThroughMap(operation) }
  }

  func partProduct(_ operation: PartProduct<Buffer>) throws(BackendError) {
    try run(.partProduct, operation.output) { () throws(BackendError) in try base.partProduct(operation) }
  }

  func relevanceShare(_ operation: RelevanceShare<Buffer>) throws(BackendError) {
    let operation = try guardedOtherwise(operation)
    try run(.relevanceShare, operation.output) { () throws(BackendError) in try base.relevanceShare(operation) }
  }

  /// What a total has more, the guard would have.
  private func guardedOtherwise(_ operation: RelevanceShare<Buffer>) throws(BackendError) -> RelevanceShare<Buffer> {
    guard case .wrongGuard(let value) = fault else { return operation }
    let total = operation.total
    var totals = [Double](repeating: 0, count: total.rows * total.columns)
    var span = totals.mutableSpan
    try base.download(total, into: &span)
    for index in totals.indices where totals[index] != 0 { totals[index] += value - 1e-9 }
    let shifted = try base.makeMatrix(rows: total.rows, columns: total.columns, of: .float64)
    try base.upload(totals.span, to: shifted)
    return RelevanceShare(
      of: operation.relevance, total: shifted, value: operation.value, accumulates: operation.accumulates,
      output: operation.output)
  }
}
