import Compute
import VisionTransformer

/// A CLIP tower's forward of one image in float64 on the device, a block at a time, with what relevance propagation
/// reads of a block.
///
/// The weights of one block are on the device at a time, and the maps of one head.
struct Float64Forward<B: Backend>: Sendable {
  typealias Place = Matrix<B.Buffer>

  struct Norm: Sendable {
    let scale, shift: Place
  }

  struct Linear: Sendable {
    /// `[outputs, inputs]`.
    let weight: Place
    let bias: Place
  }

  /// A block's weights.
  struct Weights: Sendable {
    let attentionNorm, mlpNorm: Norm
    let attentionInput, attentionOutput, mlpInput, mlpOutput: Linear
  }

  /// Everything that a block's forward computes, but for the maps.
  struct Block: Sendable {
    var input, output: Place
    var normalizedInput: Place
    var queriesKeysValues: Place
    /// The attention's output before and after its projection.
    var attended, projected: Place
    var middle: Place
    var normalizedMiddle: Place
    var hidden: Place
    var mlp: Place
  }

  /// What enters the first block, and where it comes from.
  struct Embedding: Sendable {
    /// The image, then its distances from its smallest and from its largest value, each `[3 · height · width]`.
    let pixels: Place
    /// Patches of all three, `[tokens, 3 · patch · patch]` each, with a row of zeros for the class token.
    let patches: Place
    /// `[width, 3 · patch · patch]`.
    let convolution: Place
    /// Before positions are added. The first row is the model's own.
    let tokens: Place
    let positions: Place
    /// After they are.
    let sum: Place
    let norm: Norm?
  }

  /// From the class token to the image's embedding, which is not scaled to unit length.
  struct ReadOut: Sendable {
    let norm: Norm
    /// `[embedding, width]`.
    let projection: Place
    let normalized: Place
    let embedding: Place
  }

  let source: any WeightSource
  let backend: B
  let grid: Grid
  let weights: Weights
  let embedding: Embedding
  let readOut: ReadOut
  /// The memory of all blocks.
  private let memory: Block
  /// `Q Kᵀ` of one head without its factor, and the softmax of it with the factor.
  let products, map: Place
  /// What entered each block, `[tokens, width]`, and what left the last one.
  let checkpoints: [Place]

  var vision: VisionConfiguration { source.configuration.vision }
  var tokens: Int { 1 + grid.count }

  /// Takes all memory, and brings to the device what does not belong to a block.
  init(source: any WeightSource, backend: B, grid: Grid) throws(ModelError) {
    self.source = source
    self.backend = backend
    self.grid = grid
    let memory = Float64Memory(backend: backend)
    let vision = source.configuration.vision
    let (tokens, width) = (1 + grid.count, vision.width)
    do throws(BackendError) {
      var checkpoints: [Place] = []
      for _ in 0...vision.layers { checkpoints.append(try memory.make(tokens, width)) }
      self.checkpoints = checkpoints
      weights = try memory.weights(vision)
      self.memory = try memory.block(tokens: tokens, vision, input: checkpoints[0], output: checkpoints[1])
      products = try memory.make(tokens, tokens)
      map = try memory.make(tokens, tokens)
      embedding = try memory.embedding(grid, vision, output: checkpoints[0])
      readOut = try memory.readOut(source.configuration)
    } catch { throw .backend(error) }
    try loadEnds()
  }

  private func load(_ name: String, to place: Place) throws(ModelError) {
    let values: [Double]
    do { values = try source.doubles(name) } catch { throw .checkpoint(error) }
    try upload(values, to: place)
  }

  private func load(_ name: String, to norm: Norm) throws(ModelError) {
    try load(name + ".weight", to: norm.scale)
    try load(name + ".bias", to: norm.shift)
  }

  private func upload(_ values: [Double], to place: Place) throws(ModelError) {
    do { try backend.upload(values.span, to: place) } catch { throw .backend(error) }
  }

  /// What comes before and after the blocks.
  private func loadEnds() throws(ModelError) {
    try load("visual.conv1.weight", to: embedding.convolution)
    try load("visual.class_embedding", to: embedding.tokens.rows(0..<1))
    let table: [Double]
    do { table = try source.doubles("visual.positional_embedding") } catch { throw .checkpoint(error) }
    let width = vision.width
    try upload(
      table[..<width]
        + PositionalTable.resample(
          Array(table[width...]), gridHeight: vision.gridHeight, gridWidth: vision.gridWidth, width: width,
          newHeight: grid.height, newWidth: grid.width), to: embedding.positions)
    if let norm = embedding.norm { try load("visual.ln_pre", to: norm) }
    try load("visual.ln_post", to: readOut.norm)
    try load("visual.proj", to: readOut.projection)
  }

  /// Brings a block's weights to the device, in the place of another's.
  func load(block number: Int) throws(ModelError) {
    // What the device has not read yet is in host memory too: one block of it at most.
    do { try backend.synchronize() } catch { throw .backend(error) }
    let prefix = "visual.transformer.resblocks.\(number)."
    try load(prefix + "ln_1", to: weights.attentionNorm)
    try load(prefix + "attn.in_proj_weight", to: weights.attentionInput.weight)
    try load(prefix + "attn.in_proj_bias", to: weights.attentionInput.bias)
    try load(prefix + "attn.out_proj.weight", to: weights.attentionOutput.weight)
    try load(prefix + "attn.out_proj.bias", to: weights.attentionOutput.bias)
    try load(prefix + "ln_2", to: weights.mlpNorm)
    try load(prefix + "mlp.c_fc.weight", to: weights.mlpInput.weight)
    try load(prefix + "mlp.c_fc.bias", to: weights.mlpInput.bias)
    try load(prefix + "mlp.c_proj.weight", to: weights.mlpOutput.weight)
    try load(prefix + "mlp.c_proj.bias", to: weights.mlpOutput.bias)
  }
}

// MARK: Forward

extension Float64Forward {
  /// From pixels to the first checkpoint.
  /// - Parameter pixels: normalised and planar, `[3, height, width]`.
  func embed(_ pixels: [Double]) throws(BackendError) {
    let (low, high) = (pixels.min() ?? 0, pixels.max() ?? 0)
    let planes = pixels + pixels.map { $0 - low } + pixels.map { $0 - high }
    try backend.upload(planes.span, to: embedding.pixels)
    let (patch, parts) = (vision.patchSize, embedding)
    try backend.patchify(
      Patchify(
        pixels: parts.pixels, height: grid.height * patch, width: grid.width * patch, patch: patch, leadingRows: 1,
        patches: parts.patches))
    let patches = 1..<tokens
    try backend.multiply(
      Multiply(
        .init(parts.patches.rows(patches)), .init(parts.convolution, transposed: true),
        output: parts.tokens.rows(patches)))
    try backend.addRows(AddRows(input: parts.tokens, addend: parts.positions, output: parts.sum))
    if let norm = parts.norm { try normalize(parts.sum, norm, to: checkpoints[0]) }
  }

  /// What a block leaves behind, until another one runs.
  func block(_ number: Int) -> Block {
    var block = memory
    (block.input, block.output) = (checkpoints[number], checkpoints[number + 1])
    return block
  }

  /// Runs the block whose weights are on the device, from one checkpoint to the next.
  func run(block number: Int) throws(BackendError) {
    let block = block(number)
    try normalize(block.input, weights.attentionNorm, to: block.normalizedInput)
    try apply(weights.attentionInput, to: block.normalizedInput, output: block.queriesKeysValues)
    for number in 0..<vision.heads {
      let head = Head(block.queriesKeysValues, number, of: vision.heads)
      try attend(head)
      try backend.multiply(
        Multiply(.init(map), .init(head.values), output: block.attended.columns(head.columns)))
    }
    try apply(weights.attentionOutput, to: block.attended, output: block.projected)
    try backend.addRows(AddRows(input: block.input, addend: block.projected, output: block.middle))
    try normalize(block.middle, weights.mlpNorm, to: block.normalizedMiddle)
    try apply(weights.mlpInput, to: block.normalizedMiddle, output: block.hidden)
    try backend.activate(Activate(vision.activation, input: block.hidden, output: block.hidden))
    try apply(weights.mlpOutput, to: block.hidden, output: block.mlp)
    try backend.addRows(AddRows(input: block.middle, addend: block.mlp, output: block.output))
  }

  /// Leaves a head's products and map, of all queries or of the first ones.
  func attend(_ head: Head, queries: Int? = nil) throws(BackendError) {
    let rows = 0..<(queries ?? tokens)
    try backend.multiply(
      Multiply(.init(head.queries.rows(rows)), .init(head.keys, transposed: true), output: products.rows(rows)))
    try backend.softmax(
      Softmax(
        input: products.rows(rows), factor: 1 / Double(head.queries.columns).squareRoot(), output: map.rows(rows)))
  }

  /// Reads the last checkpoint's class token.
  func read() throws(BackendError) {
    try normalize(checkpoints[vision.layers].rows(0..<1), readOut.norm, to: readOut.normalized)
    try backend.multiply(
      Multiply(.init(readOut.normalized), .init(readOut.projection, transposed: true), output: readOut.embedding))
  }

  private func normalize(_ input: Place, _ norm: Norm, to output: Place) throws(BackendError) {
    try backend.layerNorm(
      LayerNorm(input: input, scale: norm.scale, shift: norm.shift, epsilon: vision.epsilon, output: output))
  }

  private func apply(_ linear: Linear, to input: Place, output: Place) throws(BackendError) {
    try backend.multiply(
      Multiply(.init(input), .init(linear.weight, transposed: true), bias: linear.bias, output: output))
  }

  /// A head's columns of the fused projection.
  struct Head {
    /// Of a matrix as wide as the tower.
    let columns: Range<Int>
    let queries, keys, values: Place

    init(_ fused: Place, _ number: Int, of heads: Int) {
      let (width, headWidth) = (fused.columns / 3, fused.columns / (3 * heads))
      let columns = number * headWidth..<(number + 1) * headWidth
      func part(_ kind: Int) -> Place {
        fused.columns(kind * width + columns.lowerBound..<kind * width + columns.upperBound)
      }
      self.columns = columns
      (queries, keys, values) = (part(0), part(1), part(2))
    }
  }
}

extension Float64Forward.Block {
  /// The same for some of its tokens.
  func rows(_ range: Range<Int>) -> Self {
    Self(
      input: input.rows(range), output: output.rows(range), normalizedInput: normalizedInput.rows(range),
      queriesKeysValues: queriesKeysValues.rows(range), attended: attended.rows(range),
      projected: projected.rows(range), middle: middle.rows(range), normalizedMiddle: normalizedMiddle.rows(range),
      hidden: hidden.rows(range), mlp: mlp.rows(range))
  }
}
