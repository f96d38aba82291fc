import Compute

/// The parts of an explanation that are predicted and measured together.
package enum Stage: String, Sendable, CaseIterable, Comparable {
  case transfers
  case patchEmbedding = "patch embedding"
  case queriesKeysValues = "queries, keys, values"
  case attention
  case attentionOutput = "output projection"
  case mlpInput = "fc1"
  case mlpOutput = "fc2"
  /// Norms, activations and copies of all tokens.
  case rows = "row kernels"
  /// Means, norms and copies of few rows.
  case readOut = "read-out"
  /// Products of one row per image and prompt, or of a few.
  case rowProducts = "one-row products"
  case pooler
  case backwardProducts = "backward products"
  case attentionBackward = "attention backward"
  case relevance
  /// Relevance propagation's products in float64.
  case propagation

  package static func < (left: Stage, right: Stage) -> Bool {
    let order = allCases
    return order.firstIndex(of: left) ?? 0 < order.firstIndex(of: right) ?? 0
  }

  /// - Parameters:
  ///   - work: of a run whose blocks have `blockRows` rows, the tokens of all images.
  ///   - hasPooler: whether the tower ends in an attention pooler, whose operations read maps too.
  ///   - isShared: whether all tokens share the rows of a backward product.
  init(of work: OperationWork, blockRows: Int, hasPooler: Bool, isShared: Bool = false) {
    switch work.operation {
    case .upload, .download: self = .transfers
    case .patchify: self = .patchEmbedding
    case .attention: self = .attention
    case .attentionBackward: self = .attentionBackward
    case .attentionRelevance, .rowThroughMap: self = .relevance
    case .keyScores, .keyRelevance, .tokenSums, .tokenSumsBackward, .softmax, .softmaxBackward:
      self = hasPooler ? .pooler : .relevance
    case .partProduct, .relevanceShare: self = .propagation
    case .matmul: self = Self.product(work, blockRows: blockRows, isShared: isShared)
    default: self = work.rows < blockRows ? .readOut : .rows
    }
  }

  private static func product(_ work: OperationWork, blockRows: Int, isShared: Bool) -> Stage {
    // Tokens of all images, once or for each of some prompts.
    let readsTokens = !isShared && work.rows % blockRows == 0
    switch work.role {
    case .patchEmbedding: return .patchEmbedding
    case .pooler: return .pooler
    case .projection, nil: return .rowProducts
    case .queriesKeysValues, .attentionOutput, .mlpInput, .mlpOutput:
      if !readsTokens { return .rowProducts }
      if work.isBackward { return .backwardProducts }
    }
    switch work.role {
    case .queriesKeysValues: return .queriesKeysValues
    case .attentionOutput: return .attentionOutput
    case .mlpInput: return .mlpInput
    default: return .mlpOutput
    }
  }
}
