public import VisionTransformer

/// The token that a block's score reads in LeGrad.
public enum Readout: String, Sendable, Hashable, CaseIterable {
  /// The mean of all tokens, as the public code has it.
  case mean
  /// The class token.
  case cls
}

/// What TextSpan subtracts from a prompt's embedding before it asks where the difference comes from.
public enum TextBaseline: Sendable, Hashable {
  case none
  /// The mean of all prompts.
  case mean
  /// One of the prompts, by number from 0.
  case prompt(Int)
}

/// A way to say which parts of an image answer a prompt. The formulas of each are in `LeGrad.docc/Methods.md`, to whose
/// sections comments refer as `methods §2.3`.
public enum Method: Sendable, Equatable {
  /// Gradients of each block's own score at its own attention map (methods §1.2).
  case legrad(layers: LayerSelection = .last(2), readout: Readout = .mean)
  /// The class token's attention in the last block (methods §2.1). The same for every prompt.
  case rawAttention
  /// Attention multiplied through the blocks from `start` on (methods §2.2). The same for every prompt.
  case rollout(start: Int = 1)
  /// The last block's attention, each head weighted by its mean gradient (methods §2.3a).
  case gradCAM
  /// The last block's attention times its gradient (methods §2.4).
  case cheferCAM
  /// The same through all blocks.
  case cheferCAMAll
  /// Relevance propagated back to the pixels (methods §3), in float64.
  case lrp
  /// The same, ended at the last block's attention.
  case partialLRP
  /// What each patch adds to the class token through the attention of all blocks (methods §4).
  case textSpan(baseline: TextBaseline = .none)

  /// Every method with its defaults.
  public static let all: [Method] = [
    .legrad(), .rawAttention, .rollout(), .gradCAM, .cheferCAM, .cheferCAMAll, .lrp, .partialLRP, .textSpan(),
  ]

  /// As the command line and the reports call it.
  public var name: String {
    switch self {
    case .legrad: "legrad"
    case .rawAttention: "raw-attention"
    case .rollout: "rollout"
    case .gradCAM: "gradcam"
    case .cheferCAM: "chefercam"
    case .cheferCAMAll: "chefercam-all"
    case .lrp: "lrp"
    case .partialLRP: "partial-lrp"
    case .textSpan: "textspan"
    }
  }

  /// Whether it says the same of every prompt.
  public var ignoresPrompts: Bool {
    switch self {
    case .rawAttention, .rollout: true
    default: false
    }
  }

  /// Whether it computes in float64, whatever the device's precision.
  public var isDouble: Bool { self == .lrp || self == .partialLRP }

  /// Whether its relevance has a value per pixel instead of one per patch.
  public var givesPixels: Bool { self == .lrp }

  /// Whether relevance below zero is dropped after enlargement, before the range is scaled.
  var dropsNegative: Bool {
    if case .textSpan = self { true } else { false }
  }

  /// The blocks that it reads of a tower of `layers` blocks.
  public func blocks(of layers: Int) throws(LeGradError) -> Range<Int> {
    switch self {
    case .legrad(let selection, _): return try selection.blocks(of: layers)
    case .rawAttention, .gradCAM, .cheferCAM, .partialLRP: return layers - 1..<layers
    case .cheferCAMAll, .lrp, .textSpan: return 0..<layers
    case .rollout(let start):
      guard (0..<layers).contains(start) else {
        throw LeGradError(.usage, "rollout from block \(start): the model has blocks 0..\(layers - 1)")
      }
      return start..<layers
    }
  }

  /// Whether it is LeGrad, by whatever read-out: the one whose maps SigLIP's correction is for.
  public var isCorrected: Bool {
    if case .legrad = self { true } else { false }
  }

  /// Checks that it is defined, and computed here, for a model with such a vision tower.
  func check(_ vision: VisionConfiguration, model: String) throws(LeGradError) {
    if vision.hasAttentionPooler, case .legrad(_, .cls) = self {
      throw LeGradError(.usage, "\(model) has an attention pooler: its layers are read by that; leave --readout out")
    }
    guard !isDefined(for: vision) else { return }
    guard vision.hasAttentionPooler else {
      throw LeGradError(.usage, "\(name) asks the class token, which \(model) does not read; use legrad")
    }
    throw LeGradError(
      .usage,
      "\(model) has an attention pooler, for which \(name) is not defined; choose among "
        + Method.all.filter { $0.isDefined(for: vision) }.map(\.name).joined(separator: ", "))
  }

  /// Whether it is defined for a vision tower; LeGrad is for all.
  public func isDefined(for vision: VisionConfiguration) -> Bool {
    switch self {
    case .legrad: true
    case .lrp, .partialLRP, .textSpan: vision.pooling == .classToken
    default: vision.pooling == .classToken || vision.hasAttentionPooler
    }
  }

  /// Checks what depends on the number of prompts.
  func check(prompts: Int) throws(LeGradError) {
    guard case .textSpan(.prompt(let number)) = self, prompts > 0, !(0..<prompts).contains(number) else { return }
    throw LeGradError(.usage, "textspan baseline \(number): there are prompts 0..\(prompts - 1)")
  }
}

/// A method and what it reads of the model and the question at hand.
struct MethodRequest: Sendable, Equatable {
  let method: Method
  let blocks: Range<Int>
  /// How many of the text rows, from the first: the row of a correction is LeGrad's alone.
  let prompts: Int
}
