/// What a backend is asked for. The raw values are the names in `Backend`, as errors and tables print them.
public enum OperationName: String, Sendable, CaseIterable {
  case prepare, upload, download, copy, fill
  case patchify, gatherRows, layerNorm, matmul, softmax, attention, activate, gate, rotate
  case meanRows, normalizeRows, normalizeRowsBackward
  case activationBackward, layerNormBackward, foldedNormBackward, addRows, softmaxBackward, attentionBackward
  case attentionRelevance, keyScores, keyRelevance, tokenSums, tokenSumsBackward, rowThroughMap
  case partProduct, relevanceShare

  // What has to do with operations and gives no numbers.
  case makeMatrix, synchronize, record, measurePeak
  case cpuBackend = "CPUBackend"
  case openCLBackend = "OpenCLBackend"
  case open, workspace, explain

  /// Whether a wrong one gives wrong numbers.
  public var givesNumbers: Bool {
    switch self {
    case .makeMatrix, .synchronize, .record, .measurePeak, .cpuBackend, .openCLBackend, .open, .workspace, .explain:
      false
    default: true
    }
  }

  /// Those that give numbers, in the order of `Backend`.
  public static let numerical = allCases.filter(\.givesNumbers)

  /// Whether it multiplies matrices, whose operands the backend may store in its precision. All others compute in the
  /// scalar of their matrices, whatever the precision.
  public var isProduct: Bool {
    switch self {
    case .matmul, .attention, .attentionBackward, .attentionRelevance, .keyScores, .rowThroughMap: true
    default: false
    }
  }
}
