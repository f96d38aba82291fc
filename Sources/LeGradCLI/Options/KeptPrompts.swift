import Compute
import Failures
import Files
import LeGrad
import VisionTransformer

/// Embeddings of prompts as an earlier process computed them. The text tower, a third of the weights of many models, is then
/// not read.
///
/// They lie in the cache folder under the stamps of all files of the model's folder, which change when one of them does.
struct KeptPrompts {
  private let files: SealedCache
  private let parts: [String]
  private let prompts: [String]
  private let width: Int

  /// Changes when embeddings are computed in another way, or the file's layout does.
  private static let format = "prompts 1"

  /// Nil where nothing is kept: without a cache folder, and for a model that cannot be known again.
  init?(_ prompts: [String], by explainer: Explainer, cacheFolder: String?) {
    guard let cacheFolder, let stamps = explainer.model.fileStamps else { return nil }
    files = SealedCache(folder: cacheFolder, fileExtension: "prompts", sizeLimit: 1 << 28)
    parts =
      [Self.format, Version.number, explainer.device.arithmetic, explainer.precision.rawValue, String(stamps.count)]
      + stamps + prompts
    self.prompts = prompts
    width = explainer.model.configuration.embeddingWidth
  }

  /// Words, little-endian: rows in float32, then of each prompt its tokens, those that are cut, and whether the first are.
  func content() -> TextEmbeddings? {
    let rowWords = prompts.count * width
    guard let bytes = files.content(parts), bytes.count == (rowWords + 3 * prompts.count) * 4 else { return nil }
    let words = stride(from: 0, to: bytes.count, by: 4).map { first in
      (0..<4).reduce(UInt32(0)) { $0 | UInt32(bytes[first + $1]) << UInt32(8 * $1) }
    }
    let lengths = stride(from: rowWords, to: words.count, by: 3).map { first in
      PromptLength(tokens: Int(words[first]), cut: Int(words[first + 1]), cutsStart: words[first + 2] != 0)
    }
    return TextEmbeddings(
      checkedUnitRows: words[..<rowWords].map { Float(bitPattern: $0) }, width: width, prompts: prompts,
      lengths: lengths)
  }

  func keep(_ text: TextEmbeddings) {
    guard let lengths = text.lengths, lengths.count == prompts.count, text.values.count == prompts.count * width
    else { return }
    var words = text.values.map(\.bitPattern)
    for length in lengths {
      words += [UInt32(clamping: length.tokens), UInt32(clamping: length.cut), length.cutsStart ? 1 : 0]
    }
    files.keep(words.flatMap { word in (0..<4).map { UInt8(truncatingIfNeeded: word >> (8 * $0)) } }, parts)
  }
}

extension Explainer {
  /// What `encode` gives, kept from an earlier process where it is.
  func encodeOrFind(_ prompts: [String], cacheFolder: String?) throws(LeGradError) -> TextEmbeddings {
    let kept = KeptPrompts(prompts, by: self, cacheFolder: cacheFolder)
    if let found = kept?.content() { return found }
    let text = try encode(prompts)
    kept?.keep(text)
    return text
  }
}
