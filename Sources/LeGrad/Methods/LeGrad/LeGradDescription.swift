import Compute
import Failures
import VisionTransformer

extension Method {
  /// Gradients of each block's own score at its own attention map (methods §1.2).
  /// - Parameters:
  ///   - layers: the blocks whose maps are added up.
  ///   - readout: the token that a block's score reads; an attention pooler reads all.
  public static func legrad(layers: LayerSelection = .last(2), readout: Readout = .mean) -> Method {
    Method(LeGradDescription(layers: layers, readout: readout))
  }
}

/// The token that a block's score reads in LeGrad.
public enum Readout: String, Sendable, Hashable, CaseIterable {
  /// The mean of all tokens, as the public code has it.
  case mean
  /// The class token.
  case cls
}

extension LayerSelection: MethodSetting {}
extension Readout: MethodSetting {}

struct LeGradDescription: MethodDescription {
  var layers: LayerSelection
  var readout: Readout

  let name = "legrad"
  var settings: [any MethodSetting] { [layers, readout] }
  var labelWords: [String] { [layers.description, readout.rawValue] }

  func told(_ words: ArraySlice<String>) -> Self? {
    guard words.count == 2, let first = words.first, let last = words.last, let layers = LayerSelection(first),
      let readout = Readout(rawValue: last)
    else { return nil }
    return Self(layers: layers, readout: readout)
  }

  mutating func take(_ setting: some MethodSetting) {
    if let layers = setting as? LayerSelection { self.layers = layers }
    if let readout = setting as? Readout { self.readout = readout }
  }

  /// `mean`, `cls`, what the model's `pooler` makes of all tokens, or what its `own` norm and pooling do.
  func report(of vision: VisionConfiguration) -> [String: String] {
    let own = vision.hasAttentionPooler ? "pooler" : vision.blockScore == .ownPooling ? "own" : nil
    return ["readout": own ?? readout.rawValue]
  }

  let isCorrected = true
  let joinsBlocks = true

  func obstacles(in vision: VisionConfiguration) -> [String] { [] }
  func blocks(of layers: Int) throws(LeGradError) -> Range<Int> { try self.layers.blocks(of: layers) }

  func check(_ vision: VisionConfiguration, model: String) throws(LeGradError) {
    guard readout == .cls, vision.hasAttentionPooler || vision.blockScore == .ownPooling else { return }
    let pooling = vision.otherThanClassToken.joined()
    throw LeGradError(
      .usage, "\(model) has \(pooling): its layers are read by that; leave \(Subject.readout) out")
  }

  func arithmetic(_ tower: Arithmetic, prompts: Int, layers: Int) -> Double {
    tower.forward + tower.legrad(prompts: prompts, layers: layers, readsClassToken: readout == .cls)
  }

  func plan<B: Backend>(_ run: inout RunPlan<B>) -> (any ForwardMethod<B>)? {
    if let head = run.head as? PoolerHead<B> { return PoolerLeGradMethod(head, &run) }
    let reader = run.head.tokenReader
    if let head = run.head as? PartsHead<B>, readout == .cls || reader == nil { return PartsLeGradMethod(head, &run) }
    guard let reader else { return nil }
    switch readout {
    case .mean:
      return LeGradMethod(reader, readsPatches: (run.head as? MeanTokenHead<B>)?.scoresPatches ?? false, &run)
    case .cls: return ClassLeGradMethod(reader, &run)
    }
  }
}
