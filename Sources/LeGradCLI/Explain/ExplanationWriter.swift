import Failures
import Files
import ImageFiles
import LeGrad
import NpyFiles
import Synchronization
import VisionTransformer

/// Writes one explanation's pictures and arrays, which get their names when all of an image are there.
struct ExplanationWriter: Sendable {
  let plan: OutputPlan
  let overlay: Overlay
  /// What an overlay's longer side has at most; nil for the picture's own size.
  var overlaySide: Int?

  /// Work that some formats ask for.
  enum Work: Sendable { case shown, enlarged, coloured, encoded }

  /// Told of each piece of it, by several threads.
  var counted: (@Sendable (Work) -> Void)?

  /// What the prompts of an explanation, which several threads write, have in common.
  final class Prompts: Sendable {
    let explanation: Explanation
    private let drawn: Mutex<[(isFlat: Bool, values: [Float])?]>
    private let time = Mutex(Duration.zero)

    init(_ explanation: Explanation) {
      self.explanation = explanation
      drawn = Mutex(Array(repeating: nil, count: explanation.prompts))
    }

    /// By prompt, once all are written: whether its map is the same everywhere.
    var flat: [Bool] { drawn.withLock { $0.map { $0?.isFlat ?? false } } }
    var heatmapValues: [Float] { drawn.withLock { $0.flatMap { $0?.values ?? [] } } }
    var seconds: Double { time.withLock { $0 } / .seconds(1) }

    func keep(isFlat: Bool, values: [Float] = [], prompt: Int) { drawn.withLock { $0[prompt] = (isFlat, values) } }

    func count(since start: ContinuousClock.Instant) {
      let taken = ContinuousClock.now - start
      time.withLock { $0 += taken }
    }
  }

  /// The pictures of one prompt.
  func write(
    prompt: Int, of prompts: Prompts, over image: ShownImage?, region: PixelRegion, files: OutputPlan.Files,
    into set: FileSet
  ) throws(LeGradError) {
    let start = ContinuousClock.now
    defer { prompts.count(since: start) }
    guard files.needHeatmaps else {
      return prompts.keep(isFlat: prompts.explanation.isFlat(prompt: prompt), prompt: prompt)
    }
    counted?(.enlarged)
    let heatmap = prompts.explanation.heatmap(prompt: prompt)
    if let image, !files.overlays.isEmpty || !files.jpegOverlays.isEmpty {
      counted?(.coloured)
      let picture = overlay.blend(
        heatmap: heatmap.values, width: heatmap.width, height: heatmap.height, over: image, region: region)
      if !files.overlays.isEmpty { try write(png: picture, name: files.overlays[prompt], into: set) }
      if !files.jpegOverlays.isEmpty { try write(jpeg: picture, name: files.jpegOverlays[prompt], into: set) }
    }
    if !files.heatmaps.isEmpty {
      counted?(.coloured)
      let picture = overlay.draw(heatmap: heatmap.values, width: heatmap.width, height: heatmap.height)
      try write(png: picture, name: files.heatmaps[prompt], into: set)
    }
    // The numbers are wanted again for the array alone.
    prompts.keep(
      isFlat: heatmap.isFlat, values: files.heatmapArray == nil ? [] : heatmap.values, prompt: prompt)
  }

  /// The arrays of all prompts.
  func writeArrays(of prompts: Prompts, files: OutputPlan.Files, into set: FileSet) throws(LeGradError) {
    let start = ContinuousClock.now
    let explanation = prompts.explanation
    let grid = [explanation.mapSize.height, explanation.mapSize.width]
    if let name = files.heatmapArray {
      try write(
        prompts.heatmapValues,
        shape: [explanation.prompts, explanation.inputHeight, explanation.inputWidth], name: name, into: set)
    }
    if let name = files.relevance {
      try write(explanation.relevance, shape: [explanation.prompts] + grid, name: name, into: set)
    }
    if let name = files.layers {
      try write(
        explanation.layerRelevance, shape: [explanation.layers.count, explanation.prompts] + grid, name: name,
        into: set)
    }
    prompts.count(since: start)
  }

  func write(_ report: ExplanationReport, into set: FileSet) throws(LeGradError) {
    guard let name = report.files.report else { return }
    try set.add(Array((JSONText.encode(report) + "\n").utf8), path: plan.path(name))
  }

  private func write(png picture: RGBImage, name: String, into set: FileSet) throws(LeGradError) {
    counted?(.encoded)
    let bytes: [UInt8]
    do { bytes = try picture.pngBytes() } catch { throw LeGradError(error) }
    try set.add(bytes, path: plan.path(name))
  }

  private func write(jpeg picture: RGBImage, name: String, into set: FileSet) throws(LeGradError) {
    counted?(.encoded)
    let bytes: [UInt8]
    do { bytes = try picture.jpegBytes() } catch { throw LeGradError(error) }
    try set.add(bytes, path: plan.path(name))
  }

  private func write(_ values: [Float], shape: [Int], name: String, into set: FileSet) throws(LeGradError) {
    let path = plan.path(name)
    let bytes: [UInt8]
    do { bytes = try NpyFile.bytes(of: NpyArray(shape: shape, values: values), path: path) } catch {
      throw LeGradError(error)
    }
    try set.add(bytes, path: path)
  }
}
