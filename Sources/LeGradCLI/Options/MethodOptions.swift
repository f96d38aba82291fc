public import ArgumentParser
public import LeGrad
import VisionTransformer

// `allValueStrings` is what the parser says to expect where a value is none of these.

extension LayerSelection: ExpressibleByArgument {
  public init?(argument: String) { self.init(argument) }
  public static var allValueStrings: [String] { ["all", "last:N", "A..B"] }
}

struct MethodChoice: ParsableArguments {
  static let names = Method.all.map(\.name)

  @Option(
    help: """
      How to explain: any of \(names.joined(separator: ",")), or all that are defined for the model. They share one \
      forward.
      """)
  var method = names[0]

  @Option(help: "The first block that rollout multiplies, from 0.")
  var rolloutStart = RolloutStart.standard.block

  func validate() throws {
    _ = try methods()
    guard rolloutStart >= 0 else { throw ValidationError("--rollout-start \(rolloutStart): expected a block, from 0") }
  }

  var isAll: Bool { method == "all" }

  /// In the order asked for, other settings than rollout's as by default. Where all are asked for, those that are not
  /// defined for `model` are left out, which is said.
  func methods(for model: Model? = nil) throws -> [Method] {
    let methods = try named.map { $0.told(RolloutStart(block: rolloutStart)) }
    guard isAll, let model else { return methods }
    let vision = model.configuration.vision
    let others = methods.filter { !$0.isDefined(for: vision) }.map(\.name)
    if !others.isEmpty {
      Terminal.note("\(others.joined(separator: ", ")) left out: not defined for the tower of \(model.name)")
    }
    return methods.filter { $0.isDefined(for: vision) }
  }

  /// The methods of the list, with their defaults.
  private var named: [Method] {
    get throws {
      let names =
        isAll
        ? Self.names : method.split(separator: ",", omittingEmptySubsequences: false).map { $0.trimmingSpaces() }
      var methods: [Method] = []
      for name in names {
        guard let method = Method(name: name) else {
          throw ValidationError(
            "--method \(name): no method of this name, available: \(Self.names.joined(separator: ", ")), all")
        }
        guard !methods.contains(where: { $0.name == name }) else {
          throw ValidationError("--method \(name): named twice")
        }
        methods.append(method)
      }
      return methods
    }
  }
}

/// How to explain, and what some methods can be told.
struct MethodOptions: ParsableArguments {
  @OptionGroup var choice: MethodChoice

  @Option(help: "The token that a block's score reads in legrad.")
  var readout: Readout = .mean

  @Option(help: "What textspan subtracts from a prompt: none, mean of all prompts, or the number of one, from 0.")
  var textspanBaseline: TextBaseline = .none

  /// As `MethodChoice` has them, told what they can be told.
  /// - Parameter layers: of LeGrad.
  func methods(layers: LayerSelection, for model: Model?) throws -> [Method] {
    try choice.methods(for: model).map { $0.told(layers).told(readout).told(textspanBaseline) }
  }
}

extension Readout: ExpressibleByArgument {}

extension TextBaseline: ExpressibleByArgument {
  public init?(argument: String) { self.init(argument) }
  public static var allValueStrings: [String] { ["none", "mean", "K"] }
}
