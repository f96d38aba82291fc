import Compute
import VisionTransformer

/// All that is said of a method, once and in the method's own file.
protocol MethodDescription: Sendable, Hashable {
  /// As the command line and the reports call it.
  var name: String { get }
  /// What it can be told, as it was.
  var settings: [any MethodSetting] { get }
  /// What a label says of that behind the name.
  var labelWords: [String] { get }
  /// The method as such words tell it; nil for other words.
  func told(_ words: ArraySlice<String>) -> Self?
  /// Takes a setting that is for it, and leaves others alone.
  mutating func take(_ setting: some MethodSetting)
  /// What reports say that it was told.
  func report(of vision: VisionConfiguration) -> [String: String]

  /// Whether it says the same of every prompt.
  var ignoresPrompts: Bool { get }
  /// Whether it computes in float64, whatever the device's precision.
  var isFloat64: Bool { get }
  var mapKind: MapKind { get }
  /// Whether relevance below zero is dropped after enlargement, before the range is scaled.
  var dropsNegative: Bool { get }
  /// Whether SigLIP's correction by a text without content is for its maps.
  var isCorrected: Bool { get }
  /// Whether it looks at several blocks together where that is worth the memory.
  var joinsBlocks: Bool { get }

  /// What a vision tower has that the method is not defined for, as it is said behind "for"; empty where it is defined.
  func obstacles(in vision: VisionConfiguration) -> [String]
  /// The blocks that it reads of a tower of `layers` blocks.
  func blocks(of layers: Int) throws(LeGradError) -> Range<Int>
  /// Refuses what it was told where that makes no sense for a tower.
  func check(_ vision: VisionConfiguration, model: String) throws(LeGradError)
  /// Refuses what makes no sense for a number of prompts.
  func check(prompts: Int) throws(LeGradError)
  /// Floating-point operations of one image for `prompts` prompts, `layers` blocks being read.
  func arithmetic(_ tower: Arithmetic, prompts: Int, layers: Int) -> Double

  /// Its part of a run, with its memory; nil for a head that it is not defined for.
  func plan<B: Backend>(_ run: inout RunPlan<B>) -> (any ForwardMethod<B>)?
}

/// What a method has a value of.
enum MapKind: Sendable {
  case patches, pixels
}

/// Most methods can be told nothing, and say something else of every prompt and of every patch.
extension MethodDescription {
  var settings: [any MethodSetting] { [] }
  var labelWords: [String] { [] }
  func told(_ words: ArraySlice<String>) -> Self? { words.isEmpty ? self : nil }
  mutating func take(_ setting: some MethodSetting) {}
  func report(of vision: VisionConfiguration) -> [String: String] { [:] }

  var ignoresPrompts: Bool { false }
  var isFloat64: Bool { false }
  var mapKind: MapKind { .patches }
  var dropsNegative: Bool { false }
  var isCorrected: Bool { false }
  var joinsBlocks: Bool { false }

  /// Defined wherever one query reads the embedding.
  func obstacles(in vision: VisionConfiguration) -> [String] {
    vision.hasAttentionPooler ? [] : vision.otherThanClassToken
  }
  func check(_ vision: VisionConfiguration, model: String) throws(LeGradError) {}
  func check(prompts: Int) throws(LeGradError) {}
}

extension VisionConfiguration {
  /// What the embedding is read by where that is not the class token.
  var otherThanClassToken: [String] {
    switch pooling {
    case .classToken: []
    case .average: ["a head that reads the mean of the \(averagesLeadingTokens ? "tokens" : "patches")"]
    case .unpooled: ["a tower that pools nothing"]
    case .map, .queries: ["an attention pooler"]
    case .classAndPatches: ["a head that reads the class token and the mean of the patches"]
    case .classAndDistillation: ["heads of the class and of the distillation token"]
    }
  }
}

/// Something that a method can be told: `LayerSelection`, `Readout`, `RolloutStart` or `TextBaseline`.
public protocol MethodSetting: Sendable {}

/// A method that reads the last block, and unless it says otherwise goes back through it once for each prompt.
protocol LastBlockDescription: MethodDescription {}

extension LastBlockDescription {
  func blocks(of layers: Int) -> Range<Int> { layers - 1..<layers }

  func arithmetic(_ tower: Arithmetic, prompts: Int, layers: Int) -> Double {
    tower.forward + Double(prompts * layers) * tower.rowBackward
  }
}
