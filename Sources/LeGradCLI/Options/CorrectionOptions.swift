import ArgumentParser
import Failures
import LeGrad

/// Whether and how SigLIP's maps are corrected.
enum CorrectionChoice: ExpressibleByArgument, Equatable, Sendable {
  case off
  case threshold(Float)

  static let allValueStrings = ["on", "off", "THRESHOLD from 0 to 1"]

  init?(argument: String) {
    switch argument {
    case "on": self = .threshold(EmptyTextCorrection.standardThreshold)
    case "off": self = .off
    default:
      guard let threshold = Float(argument), (0...1).contains(threshold) else { return nil }
      self = .threshold(threshold)
    }
  }
}

struct CorrectionOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      """
      SigLIP models only: make a patch zero where the relevance to '\(EmptyTextCorrection.text)', scaled to [0, 1], \
      exceeds a threshold: on (\(EmptyTextCorrection.standardThreshold)), off, or the threshold. (default: on)
      """, valueName: "on|off|threshold"))
  var siglipCorrection: CorrectionChoice?

  @Option(help: "A float32 .npy array [1, embedding] in place of that text.", transform: requireName)
  var emptyEmbedding: String?

  /// What corrects the maps of a model, checked before its weights are read; nil for a model whose maps are not
  /// corrected, or shall not be.
  func source(for model: Model) throws(LeGradError) -> CorrectionSource? {
    guard model.takesCorrection else {
      for (option, isGiven) in [
        ("--siglip-correction", siglipCorrection != nil), ("--empty-embedding", emptyEmbedding != nil),
      ] where isGiven {
        Terminal.note("\(option) is for SigLIP models and changes nothing here")
      }
      return nil
    }
    guard case .threshold(let threshold) = siglipCorrection ?? .threshold(EmptyTextCorrection.standardThreshold) else {
      if emptyEmbedding != nil { Terminal.note("--empty-embedding changes nothing with --siglip-correction off") }
      return nil
    }
    if let emptyEmbedding {
      let source = try PromptSource.embeddings(emptyEmbedding, for: model)
      guard source.count == 1 else {
        throw .badFile(
          "\(emptyEmbedding): shape: expected one row, found \(source.count); "
            + "save the embedding of '\(EmptyTextCorrection.text)' alone")
      }
      return CorrectionSource(threshold: threshold, text: source)
    }
    let text = PromptSource.texts([EmptyTextCorrection.text])
    do throws(LeGradError) {
      try text.check(against: model)
    } catch {
      throw .badFile(
        "SigLIP's correction needs the embedding of '\(EmptyTextCorrection.text)': give the folder a tokenizer, or "
          + "--empty-embedding F.npy, or --siglip-correction off (\(error.line))")
    }
    return CorrectionSource(threshold: threshold, text: text)
  }
}

/// The text whose relevance corrects maps.
struct CorrectionSource: Sendable {
  let threshold: Float
  let text: PromptSource
}
