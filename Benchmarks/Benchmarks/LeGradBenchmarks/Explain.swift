import Compute
import ComputeCPU
import Glibc
import ImageFiles
import LeGrad

/// One image from preprocessed pixels to heatmaps over all blocks, on random weights.
///
/// `LEGRAD_BENCH_LARGE=1` adds ViT-bigG-14, whose weights take 7.4 GB in float32.
func explainBenchmarks() {
  let withLarge = unsafe getenv("LEGRAD_BENCH_LARGE").map { unsafe String(cString: $0) } == "1"
  for tower in withLarge ? Tower.all : [.base, .large] {
    for precision in Machine.precisions {
      for prompts in [1, 8] { explain(tower, precision, prompts: prompts) }
    }
  }
}

private func explain(_ tower: Tower, _ precision: Precision, prompts: Int) {
  let name = "Explain \(tower.name) all blocks prompts \(prompts) \(precision.rawValue)"
  let work = Work.arithmetic(tower.explanationOperations(prompts: prompts))
  // The backend that is handed in measured the roof; the explainer makes its own of the same kind.
  measure(name, precision: precision, work, repetition: .explanation) { _ in
    var options = Explainer.Options()
    options.device = .cpu
    options.precision = precision
    let explainer = try Explainer(Model(randomArchitecture: tower.name), options: options)
    let image = try explainer.prepare(randomImage())
    let text = try TextEmbeddings(
      rows: RandomValues.normal(count: prompts * tower.embeddingWidth, seed: 2), width: tower.embeddingWidth)
    return {
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
