import ImageFiles
import LeGrad
import Randomness
import VisionTransformer

/// Pictures and texts without meaning, for measuring: the same for every run.
struct RandomInputs {
  let explainer: Explainer
  private var generator = SeededGenerator(seed: 1)

  init(explainer: Explainer) { self.explainer = explainer }

  mutating func image(_ size: InputSize) throws(LeGradError) -> PreparedImage {
    let (width, height) = size.pixels(of: explainer.model)
    let pixels = (0..<width * height * 3).map { _ in UInt8(truncatingIfNeeded: generator.next() >> 56) }
    return try explainer.prepare(RGBImage(width: width, height: height, pixels: pixels), size: size)
  }

  /// What images are explained for: a classifier's classes, far apart in their order, or random unit rows.
  mutating func text(_ prompts: Int) throws(LeGradError) -> TextEmbeddings {
    if let classes = explainer.classes {
      return try explainer.encode(classes: (0..<prompts).map { $0 * classes.count / prompts })
    }
    let width = explainer.model.configuration.embeddingWidth
    // Sums of uniform numbers: near enough to normal for directions without preference.
    let values = (0..<prompts * width).map { _ in
      (0..<4).reduce(Float(0)) { sum, _ in sum + Float(generator.next() >> 40) / Float(1 << 24) } - 2
    }
    return try TextEmbeddings(rows: values, width: width)
  }
}
