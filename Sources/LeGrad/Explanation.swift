public import VisionTransformer

/// Where one image answers each prompt.
public struct Explanation: Sendable {
  /// The patch grid of the maps.
  public let grid: Grid
  /// Pixels that the model saw: `height × width`.
  public let inputHeight: Int
  public let inputWidth: Int
  /// The blocks that were summed, 0-based.
  public let layers: Range<Int>
  public let prompts: Int
  /// Relevance before enlargement and min–max: `[layers, prompts, grid.height, grid.width]`.
  public let layerRelevance: [Float]
  /// The sum over layers: `[prompts, grid.height, grid.width]`.
  public let relevance: [Float]
  /// The model's own image embedding, a unit row.
  public let imageEmbedding: [Float]
  /// Cosine similarity of the image and each prompt, from the model's own embedding.
  public let similarities: [Float]
  /// Cells of the grid, row-major, that the correction by a text without content makes zero in every heatmap.
  public let suppressedCells: [Int]
  private let scaling: Heatmap.Scaling

  /// - Parameter correction: its text is the batch's last prompt.
  init(
    _ batch: BatchRelevance, image: Int, layers: Range<Int>, text: TextEmbeddings, inputHeight: Int, inputWidth: Int,
    scaling: Heatmap.Scaling = .pixels, correction: EmptyTextCorrection? = nil
  ) {
    grid = batch.grid
    self.inputHeight = inputHeight
    self.inputWidth = inputWidth
    self.layers = layers
    self.scaling = scaling
    let prompts = batch.prompts - (correction == nil ? 0 : 1)
    self.prompts = prompts
    imageEmbedding = batch.embeddings[image]
    let cells = batch.prompts * batch.grid.count
    let kept = prompts * batch.grid.count
    var sum = [Double](repeating: 0, count: cells)
    var layerRelevance: [Float] = []
    for layer in 0..<batch.layers {
      layerRelevance += batch.values[image][layer * cells..<layer * cells + kept]
      for cell in 0..<cells { sum[cell] += Double(batch.values[image][layer * cells + cell]) }
    }
    self.layerRelevance = layerRelevance
    relevance = sum[..<kept].map { Float($0) }
    suppressedCells = correction?.suppressedCells(sum[kept...].map { Float($0) }) ?? []
    let embedding = imageEmbedding
    similarities = (0..<prompts).map { prompt in
      let row = text.row(prompt)
      return Float(zip(row, embedding).reduce(0.0) { $0 + Double($1.0) * Double($1.1) })
    }
  }

  /// Whether all numbers are finite.
  var isFinite: Bool {
    layerRelevance.allSatisfy(\.isFinite) && imageEmbedding.allSatisfy(\.isFinite)
      && similarities.allSatisfy(\.isFinite)
  }

  /// The heatmap of a prompt: its relevance enlarged bilinearly to the model's input size, then scaled to [0, 1]
  /// (methods §1.2 steps 7–8); for SigLIP corrected, scaled, then enlarged (§1.4 steps 5–6).
  public func heatmap(prompt: Int) -> Heatmap {
    precondition(prompt >= 0 && prompt < prompts, "prompt \(prompt) of \(prompts)")
    var cells = Array(relevance[prompt * grid.count..<(prompt + 1) * grid.count])
    for cell in suppressedCells { cells[cell] = 0 }
    return Heatmap(relevance: cells, grid: grid, height: inputHeight, width: inputWidth, scaling: scaling)
  }
}
