import Failures

/// Where the operations run. One implementation per kind of device.
///
/// Operations are values with labelled fields; the doc comment of each *is* its definition. They write into
/// memory that the caller owns, never allocate what outlives the call, and never wait: only `download` and
/// `synchronize` do. Operations given to one backend take effect in the order given.
///
/// Matrices are float32 but where an operation says that it takes float64 too; those of one operation have one scalar.
///
/// Shapes that do not fit together are mistakes of the program and end it with both shapes in the message; what
/// the machine refuses (memory, the device) is thrown as `BackendError`.
public protocol Backend: Sendable {
  /// Device memory, freed with its last owner.
  associatedtype Buffer: Sendable
  /// A weight matrix in whatever layout this backend multiplies fastest. There is one copy only: the backward
  /// reads it from its other side.
  associatedtype Weight: Sendable

  /// How this backend stores weights and the inputs of products.
  var precision: Precision { get }
  /// What it runs on, for people: the device's name and what was chosen on it.
  var deviceDescription: String { get }
  /// Bytes moved so far.
  var traffic: Traffic { get }
  /// Device time by kernel, where the backend was asked to keep it.
  var profile: [String: KernelTime] { get }
  /// Rows up to which operations on several blocks are worth joining, though more activations have to be kept for it:
  /// fewer do not fill the device, or take less time than their launch. 0 where operations of any size are as well alone.
  var rowsToJoin: Int { get }
  /// Whether it computes in float64.
  var hasFloat64: Bool { get }
  /// The most bytes of device memory that were in use at once; nil where it is the process's own memory.
  var peakBytes: Int? { get }
  /// The bytes of device memory that are in use; nil where it is the process's own memory.
  var bytesInUse: Int? { get }

  /// Arithmetic operations per second (a multiply-add counts two) that this device reaches at best in float32,
  /// measured for a moment: the roof that benchmarks compare with.
  func measurePeak() throws(BackendError) -> Double

  // MARK: Memory

  /// Uninitialised memory for `rows × columns` elements.
  /// - Throws: `unsupported` for float64 on a device that does not compute in it.
  func makeMatrix(rows: Int, columns: Int, of scalar: Scalar) throws(BackendError) -> Matrix<Buffer>
  /// Takes a weight `[rows = outputs, columns = inputs]`, row-major, as the Linear layer `y = W x` has it.
  /// - Parameter group: the weights that it is used with; one without a group is always in the device's memory.
  func prepare(_ values: Span<Float>, rows: Int, columns: Int, group: WeightGroup?) throws(BackendError) -> Weight
  /// Takes a weight as a file stores it, `[rows = outputs, columns = inputs]`, without a copy of its own for now.
  /// - Returns: nil where this backend wants the values instead, or where the stored ones cannot be read, are not
  ///   finite, or exceed the range of the precision: `prepare(_:rows:columns:group:)` of the values says which.
  func prepare(_ stored: StoredWeight, rows: Int, columns: Int, group: WeightGroup?) throws(BackendError) -> Weight?
  /// Copies row-major host values into a matrix of their scalar; `values.count` is rows × columns.
  func upload(_ values: Span<Float>, to matrix: Matrix<Buffer>) throws(BackendError)
  func upload(_ values: Span<Double>, to matrix: Matrix<Buffer>) throws(BackendError)
  /// Waits for what was enqueued, then copies a matrix to row-major host memory of rows × columns values.
  func download(_ matrix: Matrix<Buffer>, into values: inout MutableSpan<Float>) throws(BackendError)
  func download(_ matrix: Matrix<Buffer>, into values: inout MutableSpan<Double>) throws(BackendError)
  func copy(_ operation: Copy<Buffer>) throws(BackendError)
  func fill(_ operation: Fill<Buffer>) throws(BackendError)
  /// Waits until everything enqueued so far is done.
  func synchronize() throws(BackendError)
  /// Keeps what `body` asks for, from this thread, instead of doing it: operations alone, none of which waits or moves
  /// values between host and device.
  /// - Returns: nil where that cannot be; `body` may have run in part then, without effect.
  func record(_ body: () throws(BackendError) -> Void) -> (any RecordedOperations)?

  // MARK: Forward

  func patchify(_ operation: Patchify<Buffer>) throws(BackendError)
  func gatherRows(_ operation: GatherRows<Buffer>) throws(BackendError)
  func layerNorm(_ operation: LayerNorm<Buffer>) throws(BackendError)
  func matmul(_ operation: Matmul<Buffer, Weight>) throws(BackendError)
  func softmax(_ operation: Softmax<Buffer>) throws(BackendError)
  func attention(_ operation: Attention<Buffer>) throws(BackendError)
  func activate(_ operation: Activate<Buffer>) throws(BackendError)
  func gate(_ operation: Gate<Buffer>) throws(BackendError)
  func rotate(_ operation: Rotate<Buffer>) throws(BackendError)

  // MARK: Read-out

  func meanRows(_ operation: MeanRows<Buffer>) throws(BackendError)
  func normalizeRows(_ operation: NormalizeRows<Buffer>) throws(BackendError)
  func normalizeRowsBackward(_ operation: NormalizeRowsBackward<Buffer>) throws(BackendError)

  // MARK: Backward

  func activationBackward(_ operation: ActivationBackward<Buffer>) throws(BackendError)
  func layerNormBackward(_ operation: LayerNormBackward<Buffer>) throws(BackendError)
  func foldedNormBackward(_ operation: FoldedNormBackward<Buffer>) throws(BackendError)
  func addRows(_ operation: AddRows<Buffer>) throws(BackendError)
  func softmaxBackward(_ operation: SoftmaxBackward<Buffer>) throws(BackendError)
  func attentionBackward(_ operation: AttentionBackward<Buffer>) throws(BackendError)

  // MARK: Methods

  func attentionRelevance(_ operation: AttentionRelevance<Buffer>) throws(BackendError)
  func keyScores(_ operation: KeyScores<Buffer>) throws(BackendError)
  func keyRelevance(_ operation: KeyRelevance<Buffer>) throws(BackendError)
  func tokenSums(_ operation: TokenSums<Buffer>) throws(BackendError)
  func tokenSumsBackward(_ operation: TokenSumsBackward<Buffer>) throws(BackendError)
  func rowThroughMap(_ operation: RowThroughMap<Buffer>) throws(BackendError)

  // MARK: Relevance propagation

  func partProduct(_ operation: PartProduct<Buffer>) throws(BackendError)
  func relevanceShare(_ operation: RelevanceShare<Buffer>) throws(BackendError)
}

extension Backend {
  /// Uninitialised memory for `rows × columns` floats.
  public func makeMatrix(rows: Int, columns: Int) throws(BackendError) -> Matrix<Buffer> {
    try makeMatrix(rows: rows, columns: columns, of: .float32)
  }

  public var rowsToJoin: Int { 0 }
  public var bytesInUse: Int? { nil }

  public func prepare(
    _ stored: StoredWeight, rows: Int, columns: Int, group: WeightGroup?
  ) throws(BackendError) -> Weight? { nil }

  /// A weight without a group.
  public func prepare(_ values: Span<Float>, rows: Int, columns: Int) throws(BackendError) -> Weight {
    try prepare(values, rows: rows, columns: columns, group: nil)
  }
}
