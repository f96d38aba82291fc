import Failures
import Glibc
import ImageFiles
import LeGrad
import Processes
import Randomness
import VisionTransformer

/// Measures how time and memory grow with images, prompts, pixels and blocks, each from one up, the others as they are.
struct GrowthRun {
  let explainer: Explainer
  let method: Method
  /// The most of each, and the longest side.
  let images, prompts, side: Int
  let batchSize: Int
  let repetitions: Int

  /// Prompts of the other series.
  private static let usualPrompts = 2

  func measure() throws -> [GrowthSeries] {
    let vision = explainer.model.configuration.vision
    let native = (width: vision.imageWidth, height: vision.imageHeight)
    var sides: [Int] = []
    var side = vision.imageWidth
    while side <= max(self.side, vision.imageWidth) {
      sides.append(side)
      side = max(side + vision.patchSize, side * 7 / 5 / vision.patchSize * vision.patchSize)
    }
    let blocks = try method.blocks(of: vision.layers).count
    var series = [
      try self.series("images", Self.doubling(to: images)) {
        Setting(images: $0, prompts: Self.usualPrompts, size: native)
      },
      try self.series("prompts", Self.doubling(to: prompts)) { Setting(images: 1, prompts: $0, size: native) },
      try self.series("pixels", sides) { Setting(images: 1, prompts: Self.usualPrompts, size: ($0, $0)) },
    ]
    if method.sumsLayers, blocks > 2 {
      series.append(
        try self.series("blocks", Array(1...blocks)) {
          Setting(images: 1, prompts: Self.usualPrompts, size: native, method: method.told(LayerSelection.last($0)))
        })
    }
    return series
  }

  private struct Setting {
    let images, prompts: Int
    let size: (width: Int, height: Int)
    var method: Method?
  }

  /// 1, 2, 4 … and the last itself.
  static func doubling(to last: Int) -> [Int] {
    var numbers = Array(sequence(first: 1) { $0 * 2 <= last ? $0 * 2 : nil })
    if let end = numbers.last, end < last { numbers.append(last) }
    return numbers
  }

  private func series(
    _ subject: String, _ numbers: [Int], _ setting: (Int) -> Setting
  ) throws -> GrowthSeries {
    var points: [GrowthSeries.Point] = []
    var bar = ProgressBar(total: numbers.count, name: "\(subject) ")
    defer { bar.finish() }
    for number in numbers {
      let setting = setting(number)
      points.append(
        try point(Double(subject == "pixels" ? setting.size.width * setting.size.height : number), setting))
      bar.advance()
    }
    return GrowthSeries(subject: subject, points: points)
  }

  private func point(_ n: Double, _ setting: Setting) throws -> GrowthSeries.Point {
    var generator = SeededGenerator(seed: 1)
    let text = try BenchmarkRun.text(for: explainer, prompts: setting.prompts, using: &generator)
    var seconds: [Double] = []
    // The first takes memory, and is not counted.
    _ = try explain(setting, text, images: min(setting.images, batchSize), using: &generator)
    Self.forgetPeak()
    for _ in 0..<repetitions { seconds.append(try explain(setting, text, images: setting.images, using: &generator)) }
    return GrowthSeries.Point(
      n: n, seconds: median(seconds), bytes: Double(explainer.peakBytes ?? Self.peakResidentBytes))
  }

  /// A batch at a time, from pixels to heatmaps.
  private func explain(
    _ setting: Setting, _ text: TextEmbeddings, images: Int, using generator: inout SeededGenerator
  ) throws(LeGradError) -> Double {
    var taken = Duration.zero
    for first in stride(from: 0, to: images, by: batchSize) {
      var batch: [PreparedImage] = []
      for _ in first..<min(first + batchSize, images) {
        let (width, height) = setting.size
        let pixels = (0..<width * height * 3).map { _ in UInt8(truncatingIfNeeded: generator.next() >> 56) }
        batch.append(
          try explainer.prepare(
            RGBImage(width: width, height: height, pixels: pixels), size: .pixels(width: width, height: height)))
      }
      let start = ContinuousClock.now
      for explanation in try explainer.explain(batch, text: text, methods: [setting.method ?? method]).joined() {
        for prompt in 0..<explanation.prompts { _ = explanation.heatmap(prompt: prompt) }
      }
      taken += ContinuousClock.now - start
    }
    return taken / .seconds(1)
  }

  /// What the process had in memory at most since `forgetPeak`, or since its start where the system does not forget.
  private static var peakResidentBytes: Int {
    let line = SystemFile.text("/proc/self/status")?.split(separator: "\n").first { $0.hasPrefix("VmHWM:") }
    let words = line?.split(whereSeparator: \.isWhitespace) ?? []
    return (words.count > 1 ? Int(words[1]) ?? 0 : 0) * 1024
  }

  private static func forgetPeak() {
    let file = unsafe open("/proc/self/clear_refs", O_WRONLY | O_CLOEXEC)
    guard file >= 0 else { return }
    _ = unsafe write(file, "5", 1)
    close(file)
  }
}
