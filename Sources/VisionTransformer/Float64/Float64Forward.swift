package import Compute
import Failures

/// The forward of a tower whose class token is read, with plain MLPs and learned positions, of one image in float64 on
/// the device, a block at a time, with what relevance propagation reads of a block.
///
/// The weights of one block are on the device at a time, and the maps of one head.
package struct Float64Forward<B: Backend>: Sendable {
  package let configuration: ModelConfiguration
  package let backend: B
  package let grid: Grid
  package let weights: Weights
  package let embedding: Embedding
  package let readOut: ReadOut
  private let source: any WeightSource
  /// The memory of all blocks.
  private let memory: Block
  /// `Q Kᵀ` of one head without its factor.
  @Planned package private(set) var products: Place
  /// The softmax of it with the factor.
  @Planned package private(set) var map: Place
  private let kept: [Planned<Place>]

  package var vision: VisionConfiguration { configuration.vision }
  package var tokens: Int { vision.leadingTokens + grid.count }

  /// Plans all memory; see `prepare`.
  package init(source: any WeightSource, backend: B, grid: Grid, in plan: inout WorkspacePlan<B>) {
    let vision = source.configuration.vision
    let tokens = vision.leadingTokens + grid.count
    self.source = source
    configuration = source.configuration
    self.backend = backend
    self.grid = grid
    kept = (0...vision.layers).map { _ in plan.doubles(tokens, vision.width) }
    weights = Weights(vision, in: &plan)
    memory = Block(tokens: tokens, vision, input: kept[0], output: kept[1], in: &plan)
    _products = plan.doubles(tokens, tokens)
    _map = plan.doubles(tokens, tokens)
    embedding = Embedding(grid, vision, output: kept[0], in: &plan)
    readOut = ReadOut(source.configuration, in: &plan)
  }

  /// What entered a block, `[tokens, width]`; behind the last one, what left it.
  package func checkpoint(_ number: Int) -> Place { kept[number].wrappedValue }

  /// Brings to the device what comes before and after the blocks; once the plan is fulfilled, and before anything runs.
  package func prepare() throws(ModelError) {
    try load(VisionTensors.convolution.weight, to: embedding.convolution)
    try load(VisionTensors.classEmbedding, to: embedding.tokens.rows(0..<1))
    let (width, leading) = (vision.width, vision.leadingTokens)
    if vision.registers > 0 { try load(VisionTensors.registers, to: embedding.tokens.rows(1..<leading)) }
    if vision.hasPatchBias { try load(VisionTensors.convolution.bias, to: embedding.patchBias) }
    var positions = [Double](repeating: 0, count: tokens * width)
    if let learned = vision.positions {
      let table: [Double]
      do { table = try source.doubles(VisionTensors.positions) } catch { throw .checkpoint(error) }
      let own = learned.leadingRows * width
      positions.replaceSubrange(0..<own, with: table[..<own])
      positions.replaceSubrange(
        (leading * width)...,
        with: PositionalTable.resample(
          Array(table[own...]), from: Grid(height: learned.height, width: learned.width), width: width, to: grid,
          learned.resampling))
    }
    try upload(positions, to: embedding.positions)
    if let norm = embedding.norm { try load(VisionTensors.inputNorm, to: norm) }
    if let norm = readOut.norm { try load(VisionTensors.outputNorm, to: norm) }
    if let projection = readOut.projection { try load(VisionTensors.projection, to: projection) }
    if let bias = readOut.projectionBias { try load(VisionTensors.projectionBias, to: bias) }
  }

  /// Brings a block's weights to the device, in the place of another's.
  package func load(block number: Int) throws(ModelError) {
    // What the device has not read yet is in host memory too: one block of it at most.
    do { try backend.synchronize() } catch { throw .backend(error) }
    let tensors = VisionTensors.block(number)
    try load(tensors.attentionNorm, to: weights.attentionNorm)
    try load(tensors.attentionInput, to: weights.attentionInput)
    for (norm, tensors) in [
      (weights.queryNorm, tensors.queryNorm), (weights.keyNorm, tensors.keyNorm),
      (weights.attendedNorm, tensors.attendedNorm), (weights.hiddenNorm, tensors.hiddenNorm),
    ] {
      if let norm { try load(tensors, to: norm) }
    }
    try load(tensors.attentionOutput, to: weights.attentionOutput)
    try load(tensors.mlpNorm, to: weights.mlpNorm)
    try load(tensors.mlpInput, to: weights.mlpInput)
    try load(tensors.mlpOutput, to: weights.mlpOutput)
  }

  private func load(_ tensors: TensorPair, to norm: Norm) throws(ModelError) {
    try load(tensors.weight, to: norm.scale)
    try load(tensors.bias, to: norm.shift)
  }

  private func load(_ tensors: TensorPair, to linear: Linear) throws(ModelError) {
    try load(tensors.weight, to: linear.weight)
    try load(tensors.bias, to: linear.bias)
  }

  private func load(_ name: String, to place: Place) throws(ModelError) {
    let values: [Double]
    do { values = try source.doubles(name) } catch { throw .checkpoint(error) }
    try upload(values, to: place)
  }

  private func upload(_ values: [Double], to place: Place) throws(ModelError) {
    do { try backend.upload(values.span, to: place) } catch { throw .backend(error) }
  }
}

// MARK: Forward

extension Float64Forward {
  /// From pixels to the first checkpoint.
  /// - Parameter pixels: normalised and planar, `[3, height, width]`.
  package func embed(_ pixels: [Double]) throws(BackendError) {
    let (low, high) = (pixels.min() ?? 0, pixels.max() ?? 0)
    let planes = pixels + pixels.map { $0 - low } + pixels.map { $0 - high }
    try backend.upload(planes.span, to: embedding.pixels)
    let (patch, parts) = (vision.patchSize, embedding)
    try backend.patchify(
      Patchify(
        pixels: parts.pixels, height: grid.height * patch, width: grid.width * patch, patch: patch,
        leadingRows: vision.leadingTokens, patches: parts.patches))
    let patches = vision.leadingTokens..<tokens
    try backend.partProduct(
      PartProduct(
        .init(parts.patches.rows(patches)), .init(parts.convolution, transposed: true),
        bias: vision.hasPatchBias ? parts.patchBias : nil, output: parts.tokens.rows(patches)))
    try backend.addRows(AddRows(input: parts.tokens, addend: parts.positions, output: parts.sum))
    if let norm = parts.norm { try normalize(parts.sum, norm, to: checkpoint(0)) }
  }

  /// What a block leaves behind, until another one runs.
  package func block(_ number: Int) -> Block {
    memory.between(checkpoint(number), checkpoint(number + 1))
  }

  /// Runs the block whose weights are on the device, from one checkpoint to the next.
  package func run(block number: Int) throws(BackendError) {
    let block = block(number)
    try normalize(block.input, weights.attentionNorm, to: block.normalizedInput)
    try apply(weights.attentionInput, to: block.normalizedInput, output: block.queriesKeysValues)
    for number in 0..<vision.heads {
      let head = Head(block.queriesKeysValues, number, of: vision.heads)
      if let norm = weights.queryNorm { try normalize(head.queries, norm, to: head.queries) }
      if let norm = weights.keyNorm { try normalize(head.keys, norm, to: head.keys) }
      try attend(head)
      try backend.partProduct(
        PartProduct(.init(map), .init(head.values), output: block.attended.columns(head.columns)))
    }
    if let norm = weights.attendedNorm { try normalize(block.attended, norm, to: block.normalizedAttended) }
    try apply(weights.attentionOutput, to: block.normalizedAttended, output: block.projected)
    try backend.addRows(AddRows(input: block.input, addend: block.projected, output: block.middle))
    try normalize(block.middle, weights.mlpNorm, to: block.normalizedMiddle)
    try apply(weights.mlpInput, to: block.normalizedMiddle, output: block.hidden)
    try backend.activate(Activate(vision.activation, input: block.hidden, output: block.hidden))
    if let norm = weights.hiddenNorm { try normalize(block.hidden, norm, to: block.hidden) }
    try apply(weights.mlpOutput, to: block.hidden, output: block.mlp)
    try backend.addRows(AddRows(input: block.middle, addend: block.mlp, output: block.output))
  }

  /// Leaves a head's products and map, of all queries or of the first ones.
  package func attend(_ head: Head, queries: Int? = nil) throws(BackendError) {
    let rows = 0..<(queries ?? tokens)
    try backend.partProduct(
      PartProduct(.init(head.queries.rows(rows)), .init(head.keys, transposed: true), output: products.rows(rows)))
    try backend.softmax(
      Softmax(
        input: products.rows(rows), factor: 1 / Double(head.queries.columns).squareRoot(), output: map.rows(rows)))
  }

  /// The last checkpoint's class token.
  package var classToken: Place { checkpoint(vision.layers).rows(0..<1) }
  /// What the projection reads, or a prompt where there is none.
  package var normalizedClassToken: Place { readOut.norm == nil ? classToken : readOut.normalized }

  /// Reads the last checkpoint's class token.
  package func read() throws(BackendError) {
    if let norm = readOut.norm { try normalize(classToken, norm, to: readOut.normalized) }
    guard let projection = readOut.projection, let embedding = readOut.embedding else { return }
    try backend.partProduct(
      PartProduct(
        .init(normalizedClassToken), .init(projection, transposed: true), bias: readOut.projectionBias,
        output: embedding)
    )
  }

  private func normalize(_ input: Place, _ norm: Norm, to output: Place) throws(BackendError) {
    try backend.layerNorm(
      LayerNorm(input: input, scale: norm.scale, shift: norm.shift, epsilon: vision.epsilon, output: output))
  }

  private func apply(_ linear: Linear, to input: Place, output: Place) throws(BackendError) {
    try backend.partProduct(
      PartProduct(.init(input), .init(linear.weight, transposed: true), bias: linear.bias, output: output))
  }

  /// A head's columns of the fused projection.
  package struct Head {
    /// Of a matrix as wide as the tower.
    package let columns: Range<Int>
    package let queries, keys, values: Place

    package init(_ fused: Place, _ number: Int, of heads: Int) {
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
