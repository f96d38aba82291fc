import Compute
import VisionTransformer

/// Makes the matrices of a float64 forward.
struct Float64Memory<B: Backend> {
  typealias Forward = Float64Forward<B>

  let backend: B

  func make(_ rows: Int, _ columns: Int) throws(BackendError) -> Matrix<B.Buffer> {
    try backend.makeMatrix(rows: rows, columns: columns, of: .float64)
  }

  private func norm(_ width: Int) throws(BackendError) -> Forward.Norm {
    Forward.Norm(scale: try make(1, width), shift: try make(1, width))
  }

  private func linear(outputs: Int, inputs: Int) throws(BackendError) -> Forward.Linear {
    Forward.Linear(weight: try make(outputs, inputs), bias: try make(1, outputs))
  }

  func weights(_ vision: VisionConfiguration) throws(BackendError) -> Forward.Weights {
    let width = vision.width
    return Forward.Weights(
      attentionNorm: try norm(width), mlpNorm: try norm(width),
      attentionInput: try linear(outputs: 3 * width, inputs: width),
      attentionOutput: try linear(outputs: width, inputs: width),
      mlpInput: try linear(outputs: vision.mlpWidth, inputs: width),
      mlpOutput: try linear(outputs: width, inputs: vision.mlpWidth))
  }

  /// - Parameters:
  ///   - input: in the place of a checkpoint, until a block runs.
  ///   - output: the same.
  func block(
    tokens: Int, _ vision: VisionConfiguration, input: Matrix<B.Buffer>, output: Matrix<B.Buffer>
  ) throws(BackendError) -> Forward.Block {
    let width = vision.width
    return Forward.Block(
      input: input, output: output, normalizedInput: try make(tokens, width),
      queriesKeysValues: try make(tokens, 3 * width), attended: try make(tokens, width),
      projected: try make(tokens, width), middle: try make(tokens, width),
      normalizedMiddle: try make(tokens, width), hidden: try make(tokens, vision.mlpWidth),
      mlp: try make(tokens, width))
  }

  /// - Parameter output: the first checkpoint, which the sum itself is where no norm follows it.
  func embedding(
    _ grid: Grid, _ vision: VisionConfiguration, output: Matrix<B.Buffer>
  ) throws(BackendError) -> Forward.Embedding {
    let (tokens, width, patch) = (output.rows, vision.width, vision.patchSize)
    let values = 3 * patch * patch
    return Forward.Embedding(
      pixels: try make(3, grid.count * values), patches: try make(3 * tokens, values),
      convolution: try make(width, values), tokens: try make(tokens, width), positions: try make(tokens, width),
      sum: vision.hasInputNorm ? try make(tokens, width) : output, norm: vision.hasInputNorm ? try norm(width) : nil)
  }

  func readOut(_ configuration: ModelConfiguration) throws(BackendError) -> Forward.ReadOut {
    let width = configuration.vision.width
    return Forward.ReadOut(
      norm: try norm(width), projection: try make(configuration.embeddingWidth, width),
      normalized: try make(1, width), embedding: try make(1, configuration.embeddingWidth))
  }
}
