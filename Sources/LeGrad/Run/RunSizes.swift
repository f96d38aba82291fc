import Compute
import VisionTransformer

/// The sizes of a run, known before its memory is taken.
struct RunSizes<B: Backend>: Sendable {
  let tower: VisionTower<B>
  let shape: VisionShape
  let prompts: Int
  /// Prompts whose backwards run together: more would only cost memory.
  let promptsPerPass: Int
  /// Blocks whose backwards run together; of several, all prompts are in one pass.
  let joined: Int

  private static var stackedRows: Int { 8192 }

  /// - Parameter rowsPerPrompt: the rows of a backward's largest matrix; all tokens if nil.
  init(tower: VisionTower<B>, shape: VisionShape, prompts: Int, joined: Int = 1, rowsPerPrompt: Int? = nil) {
    self.joined = joined
    self.tower = tower
    self.shape = shape
    self.prompts = prompts
    promptsPerPass = max(1, min(prompts, Self.stackedRows / (rowsPerPrompt ?? shape.rows)))
  }

  var heads: Int { tower.blockShape.heads }
  var lastBlock: Int { tower.blocks.count - 1 }
  /// `1 / √(head width)`, the factor of attention's scores.
  var scoreFactor: Float { 1 / Float(tower.blockShape.width / heads).squareRoot() }
  /// Images and the prompts of a pass, of one block.
  var groupsPerPass: Int { shape.images * promptsPerPass }
  /// The same of the blocks that run together, each of whose images counts as one.
  var joinedImages: Int { joined * shape.images }
  var joinedGroups: Int { joined * groupsPerPass }

  /// Ranges of prompts that are stacked together.
  var passes: [Range<Int>] {
    stride(from: 0, to: prompts, by: promptsPerPass).map { $0..<min($0 + promptsPerPass, prompts) }
  }

  /// The rows of a pass in a matrix of all prompts' maps, `[layers · prompts · images, tokens]`: by layer, then pass,
  /// then image, then prompt.
  func rows(layer: Int = 0, pass: Range<Int>) -> Range<Int> { rows(layers: layer..<layer + 1, pass: pass) }

  /// Those of several layers, which lie together where one pass has all prompts.
  func rows(layers: Range<Int>, pass: Range<Int>) -> Range<Int> {
    precondition(layers.count == 1 || pass == 0..<prompts, "layers \(layers) of prompts \(pass) do not lie together")
    let first = (layers.lowerBound * prompts + pass.lowerBound) * shape.images
    return first..<first + layers.count * pass.count * shape.images
  }

  /// Downloads such a matrix: per image `[layers, prompts, gridHeight, gridWidth]`, of the patches alone.
  func collect(_ relevance: Matrix<B.Buffer>, layers: Int = 1) throws(BackendError) -> [[Float]] {
    let rows = try values(of: relevance)
    return (0..<shape.images).map { image in
      var values: [Float] = []
      values.reserveCapacity(layers * prompts * shape.grid.count)
      for layer in 0..<layers {
        for pass in passes {
          for prompt in 0..<pass.count {
            let row = self.rows(layer: layer, pass: pass).lowerBound + image * pass.count + prompt
            values += rows[row * shape.tokens + shape.leadingTokens..<(row + 1) * shape.tokens]
          }
        }
      }
      return values
    }
  }

  /// Downloads maps that all prompts share, `[images, tokens]`, and repeats each per prompt.
  func collectShared(_ relevance: Matrix<B.Buffer>) throws(BackendError) -> [[Float]] {
    let rows = try values(of: relevance)
    return (0..<shape.images).map { image in
      let row = rows[image * shape.tokens + shape.leadingTokens..<(image + 1) * shape.tokens]
      return (0..<prompts).flatMap { _ in row }
    }
  }

  func values(of matrix: Matrix<B.Buffer>) throws(BackendError) -> [Float] {
    var values = [Float](repeating: 0, count: matrix.rows * matrix.columns)
    var span = values.mutableSpan
    try tower.backend.download(matrix, into: &span)
    return values
  }
}
