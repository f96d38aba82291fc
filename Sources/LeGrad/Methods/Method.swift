package import Compute
import Failures
public import VisionTransformer

/// A way to say which parts of an image answer a prompt. The formulas of each are in `LeGrad.docc/Methods.md`, to whose
/// sections comments refer as `methods §2.3`.
///
/// Made as `.legrad(layers: .all)`, `.gradCAM`, and so on: each method's own file has its function beside its
/// description. Methods are equal if they are the same and were told the same.
public struct Method: Sendable {
  /// What the method says of itself.
  let description: any MethodDescription

  init(_ description: some MethodDescription) { self.description = description }

  /// Every method with its defaults.
  public static let all: [Method] = [
    .legrad(), .rawAttention, .rollout(), .gradCAM, .cheferCAM, .cheferCAMAll, .lrp, .partialLRP, .textSpan(),
  ]

  /// The method of that name with its defaults; nil for any other text.
  public init?(name: String) {
    guard let method = Self.all.first(where: { $0.name == name }) else { return nil }
    self = method
  }

  /// The method of such a `label`; nil for any other text.
  public init?(label: String) {
    let words = label.split(separator: " ", omittingEmptySubsequences: false).map(String.init)
    guard let method = Method(name: words[0]), let told = method.description.told(words.dropFirst()) else { return nil }
    self.init(told)
    guard self.label == label else { return nil }
  }
}

extension Method: Hashable {
  public static func == (left: Method, right: Method) -> Bool {
    AnyHashable(left.description) == AnyHashable(right.description)
  }

  public func hash(into hasher: inout Hasher) { description.hash(into: &hasher) }
}

// MARK: What a method says of itself

extension Method {
  /// As the command line and the reports call it.
  public var name: String { description.name }

  /// The name and what the method was told, such as `legrad last:2 mean`, `rollout from 2` or `gradcam`: no other way
  /// of running a method has it.
  public var label: String { ([name] + description.labelWords).joined(separator: " ") }

  /// Whether it says the same of every prompt.
  public var ignoresPrompts: Bool { description.ignoresPrompts }

  /// Whether it computes in float64, whatever the device's precision.
  public var isFloat64: Bool { description.isFloat64 }

  /// What it computes in on a device of `precision`, as reports name it.
  package func precisionName(on precision: Precision) -> String {
    isFloat64 ? Scalar.float64.rawValue : precision.rawValue
  }

  /// Whether its relevance has a value per pixel instead of one per patch.
  public var givesPixels: Bool { description.mapKind == .pixels }

  /// Whether its relevance is a sum over blocks that are chosen, each of which has a map of its own.
  public var sumsLayers: Bool { setting(LayerSelection.self) != nil }

  /// Whether SigLIP's correction by a text without content is for its maps.
  public var isCorrected: Bool { description.isCorrected }

  /// The blocks that it reads of a tower of `layers` blocks.
  /// - Throws: `usage` for blocks that such a tower does not have.
  public func blocks(of layers: Int) throws(LeGradError) -> Range<Int> { try description.blocks(of: layers) }

  /// Whether it is defined for a vision tower.
  public func isDefined(for vision: VisionConfiguration) -> Bool { description.obstacles(in: vision).isEmpty }

  /// What it was told, by the names that reports have for it; empty for a method that can be told nothing.
  /// - Parameter vision: the tower that is explained.
  public func report(of vision: VisionConfiguration) -> [String: String] { description.report(of: vision) }

  /// A setting as the method was told it; nil where that is not for it.
  public func setting<Setting: MethodSetting>(_ type: Setting.Type) -> Setting? {
    for case let setting as Setting in description.settings { return setting }
    return nil
  }

  /// The same method told something; itself where that is not for it.
  public func told(_ setting: some MethodSetting) -> Method {
    func told(_ description: some MethodDescription) -> Method {
      var description = description
      description.take(setting)
      return Method(description)
    }
    return told(description)
  }

  /// Floating-point operations of one image explained for `prompts` prompts, a multiply–add counted as two, by the
  /// formulas of the method and not by what an implementation saves.
  /// - Parameter layers: how many blocks the method reads.
  package func arithmetic(_ tower: Arithmetic, prompts: Int, layers: Int) -> Double {
    description.arithmetic(tower, prompts: prompts, layers: layers)
  }

  /// Checks that it is defined for a model with such a vision tower.
  func check(_ vision: VisionConfiguration, model: String) throws(LeGradError) {
    try description.check(vision, model: model)
    let obstacles = description.obstacles(in: vision)
    guard let last = obstacles.last else { return }
    let others = obstacles.dropLast().joined(separator: ", ")
    let defined = Method.all.filter { $0.isDefined(for: vision) }.map(\.name).joined(separator: ", ")
    throw LeGradError(
      .usage,
      "\(name) is not defined for \(others.isEmpty ? last : others + " and " + last), which \(model) has; use \(defined)"
    )
  }

  /// Checks what depends on the number of prompts.
  func check(prompts: Int) throws(LeGradError) { try description.check(prompts: prompts) }
}
