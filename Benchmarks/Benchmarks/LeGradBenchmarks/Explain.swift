import Compute
import Glibc
import ImageFiles
import LeGrad
import Randomness

/// One image from preprocessed pixels to heatmaps over all blocks, on random weights.
///
/// `LEGRAD_BENCH_LARGE=1` adds ViT-bigG-14, whose weights take 7.4 GB in float32.
func explainBenchmarks() {
  let withLarge = unsafe getenv("LEGRAD_BENCH_LARGE").map { unsafe String(cString: $0) } == "1"
  for tower in withLarge ? Tower.all : [.base, .large] {
    for precision in Machine.cpu.precisions {
      for prompts in [1, 8] { explain(tower, precision, prompts: prompts) }
    }
  }
}

private func explain(_ tower: Tower, _ precision: Precision, prompts: Int) {
  let name = "Explain \(tower.name) all blocks prompts \(prompts) \(precision.rawValue)"
  measure(name, .arithmetic, repetition: .explanation) {
    var options = Explainer.Options()
    options.device = .cpu
    options.precision = precision
    let explainer = try Explainer(Model(randomArchitecture: tower.name), options: options)
    let image = try explainer.prepare(randomImage())
    let text = try TextEmbeddings(
      rows: RandomNumbers(seed: 2, name: "text").values(0..<prompts * tower.embeddingWidth, mean: 0, deviation: 1),
      width: tower.embeddingWidth)
    return Prepared(work: tower.explanationOperations(prompts: prompts), roof: try explainer.measurePeak()) {
      for explanation in try explainer.explain([image], text: text, layers: .all) {
        for prompt in 0..<prompts { _ = explanation.heatmap(prompt: prompt) }
      }
    }
  }
}

private func randomImage() -> RGBImage {
  var generator = SeededGenerator(seed: 1)
  let pixels = (0..<3 * Tower.pixels * Tower.pixels).map { _ in UInt8(truncatingIfNeeded: generator.next()) }
  return RGBImage(width: Tower.pixels, height: Tower.pixels, pixels: pixels)
}
