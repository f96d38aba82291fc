public import VisionTransformer

/// Where one image answers each prompt, by one method.
public struct Explanation: Sendable {
  public let method: Method
  /// The patch grid of the image.
  public let grid: Grid
  /// Pixels that the model saw: `height × width`.
  public let inputHeight: Int
  public let inputWidth: Int
  /// The blocks that the method read, 0-based; LeGrad sums over them.
  public let layers: Range<Int>
  public let prompts: Int
  /// Rows and columns of a prompt's relevance: the grid, or the input's pixels for a method that reaches them.
  public let mapSize: Grid
  /// Relevance before enlargement and min–max, `[layers, prompts, mapSize.height, mapSize.width]`; a method that does
  /// not sum over layers has one.
  public let layerRelevance: [Float]
  /// The sum over layers: `[prompts, mapSize.height, mapSize.width]`.
  public let relevance: [Float]
  /// The model's own image embedding, a unit row; of a classifier the features that its head reads.
  public let imageEmbedding: [Float]
  /// Cosine similarity of the image and each prompt, from the model's own embedding; of a classifier the logits.
  public let similarities: [Float]

  /// Cells of the grid, row-major, that the correction by a text without content makes zero in every heatmap.
  public let suppressedCells: [Int]
  private let scaling: Heatmap.Scaling

  /// - Parameters:
  ///   - layerRelevance: `[layers, prompts, …]` of `text` and, with a correction, of its text as the last prompt.
  ///   - scaling: when the model's heatmaps are scaled.
  init(
    _ request: MethodRequest, layerRelevance: [Float], embedding: [Float], grid: Grid, text: TextEmbeddings,
    inputHeight: Int, inputWidth: Int, scaling: Heatmap.Scaling = .pixels, correction: EmptyTextCorrection? = nil
  ) {
    method = request.method
    self.grid = grid
    self.inputHeight = inputHeight
    self.inputWidth = inputWidth
    self.scaling = scaling
    layers = request.blocks
    prompts = text.count
    mapSize = request.method.givesPixels ? Grid(height: inputHeight, width: inputWidth) : grid
    imageEmbedding = embedding
    let kept = text.count * mapSize.count
    let cells = kept + (correction == nil ? 0 : mapSize.count)
    var sum = [Double](repeating: 0, count: cells)
    var own: [Float] = []
    for first in stride(from: 0, to: layerRelevance.count, by: max(cells, 1)) {
      own += layerRelevance[first..<first + kept]
      for cell in 0..<cells { sum[cell] += Double(layerRelevance[first + cell]) }
    }
    self.layerRelevance = own
    relevance = sum[..<kept].map { Float($0) }
    suppressedCells = correction?.suppressedCells(sum[kept...].map { Float($0) }) ?? []
    similarities = (0..<text.count).map { Float(text.score($0, of: embedding)) }
  }

  /// Whether all numbers are finite.
  var isFinite: Bool {
    layerRelevance.allSatisfy(\.isFinite) && imageEmbedding.allSatisfy(\.isFinite)
      && similarities.allSatisfy(\.isFinite)
  }

  /// One prompt's relevance, row by row.
  public func relevance(prompt: Int) -> ArraySlice<Float> {
    precondition(prompt >= 0 && prompt < prompts, "prompt \(prompt) of \(prompts)")
    return relevance[prompt * mapSize.count..<(prompt + 1) * mapSize.count]
  }

  /// The same with the suppressed cells zero.
  public func correctedRelevance(prompt: Int) -> [Float] {
    var cells = Array(relevance(prompt: prompt))
    for cell in suppressedCells { cells[cell] = 0 }
    return cells
  }

  /// The heatmap of a prompt: its relevance enlarged bilinearly to the model's input size, TextSpan's then cut at zero,
  /// and scaled to [0, 1] (methods §1.2 steps 7–8, §5); SigLIP's corrected, scaled, then enlarged (§1.4 steps 5–6).
  public func heatmap(prompt: Int) -> Heatmap {
    Heatmap(
      relevance: correctedRelevance(prompt: prompt), grid: mapSize, height: inputHeight, width: inputWidth,
      scaling: scaling, dropsNegative: method.description.dropsNegative)
  }

  /// Whether the heatmap of a prompt is the same everywhere, without making it.
  package func isFlat(prompt: Int) -> Bool {
    Heatmap.isFlat(
      relevance: correctedRelevance(prompt: prompt), grid: mapSize, height: inputHeight, width: inputWidth,
      scaling: scaling, dropsNegative: method.description.dropsNegative)
  }
}
