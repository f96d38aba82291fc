import Files
import ImageFiles
import LeGrad
import NpyFiles
import VisionTransformer

/// Writes one explanation's pictures and arrays. Each file appears whole or not at all.
struct ExplanationWriter: Sendable {
  let plan: OutputPlan
  let overlay: Overlay

  /// Everything but the report, which is to be written last: where it is, the rest is.
  func write(
    _ explanation: Explanation, heatmaps: [Heatmap], of image: RGBImage, region: PixelRegion, files: OutputPlan.Files
  ) throws(LeGradError) {
    for (heatmap, name) in zip(heatmaps, files.overlays) {
      let picture = overlay.blend(
        heatmap: heatmap.values, width: heatmap.width, height: heatmap.height, over: image, region: region)
      try write(picture, name: name)
    }
    for (heatmap, name) in zip(heatmaps, files.heatmaps) {
      try write(overlay.draw(heatmap: heatmap.values, width: heatmap.width, height: heatmap.height), name: name)
    }
    let grid = [explanation.mapSize.height, explanation.mapSize.width]
    if let name = files.heatmapArray {
      try write(
        heatmaps.flatMap(\.values), shape: [heatmaps.count, explanation.inputHeight, explanation.inputWidth],
        name: name)
    }
    if let name = files.relevance {
      try write(explanation.relevance, shape: [explanation.prompts] + grid, name: name)
    }
    if let name = files.layers {
      try write(explanation.layerRelevance, shape: [explanation.layers.count, explanation.prompts] + grid, name: name)
    }
  }

  func write(_ report: ExplanationReport) throws(LeGradError) {
    guard let name = report.files.report else { return }
    try write(bytes: Array((JSONText.encode(report) + "\n").utf8), name: name)
  }

  private func write(_ picture: RGBImage, name: String) throws(LeGradError) {
    let bytes: [UInt8]
    do { bytes = try picture.pngBytes() } catch { throw LeGradError(error) }
    try write(bytes: bytes, name: name)
  }

  private func write(_ values: [Float], shape: [Int], name: String) throws(LeGradError) {
    do {
      try Interruption.whileWriting { () throws(NpyError) in
        try NpyFile.write(NpyArray(shape: shape, values: values), to: plan.path(name))
      }
    } catch { throw LeGradError(error) }
  }

  private func write(bytes: [UInt8], name: String) throws(LeGradError) {
    do {
      try Interruption.whileWriting { () throws(FileError) in try AtomicFile.write(bytes, to: plan.path(name)) }
    } catch { throw LeGradError(error) }
  }
}
