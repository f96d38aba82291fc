import Compute
import VisionTransformer

/// LRP and Partial-LRP (methods §3) of one image, in float64 throughout.
///
/// The forward keeps each block's input; on the way back a block is computed again and the relevance of all prompts of a
/// pass goes through it together. Of the last block only the class token's row carries any.
struct LRPMethod<B: Backend>: Sendable {
  private let forward: Float64Forward<B>
  private let grid: Grid
  /// Unit rows `[prompts, embedding]`.
  private let text: Float64Matrix

  /// Prompts that go back together.
  private static var promptsPerPass: Int { 8 }

  init(source: any WeightSource, backend: B, grid: Grid, text: [Float]) {
    let width = source.configuration.embeddingWidth
    forward = Float64Forward(source: source, backend: backend)
    self.grid = grid
    self.text = Float64Matrix(rows: text.count / width, columns: width, values: text.map { Double($0) })
  }

  /// The maps of all prompts for each of `partial`: `[prompts, height, width]` pixels, or patches for Partial-LRP.
  func explain(_ pixels: [Double], partial: [Bool]) throws(ModelError) -> [[Float]] {
    let embedding = try forward.embed(pixels, grid: grid)
    var inputs = [embedding.output]
    let layers = forward.vision.layers
    for number in 0..<layers - 1 { inputs.append(try forward.block(number, from: inputs[number]).output) }
    let last = try forward.block(layers - 1, from: inputs[layers - 1])
    var maps = [[Float]](repeating: [], count: partial.count)
    for first in stride(from: 0, to: text.rows, by: Self.promptsPerPass) {
      let prompts = first..<min(first + Self.promptsPerPass, text.rows)
      let output = try relevanceOfClassToken(last.output.rows(0..<1), prompts: prompts)
      let atAttention = try throughMLP(last.rows(0..<1), relevance: output)
      for (index, isPartial) in partial.enumerated() {
        if isPartial {
          maps[index] += try lastMap(last, atAttention.attention)
        } else {
          var relevance = try throughAttention(
            last, spread(atAttention.input, over: last.input.rows), spread(atAttention.attention, over: last.input.rows)
          )
          for number in (0..<layers - 1).reversed() {
            let block = try forward.block(number, from: inputs[number])
            let parts = try throughMLP(block, relevance: relevance)
            relevance = try throughAttention(block, parts.input, parts.attention)
          }
          maps[index] += try pixelMaps(relevance, embedding, pixels: pixels)
        }
      }
    }
    return maps
  }

  /// The seed, 1 at the prompt, through classifier, projection and norm: `[prompts, width]` at the class token's row.
  private func relevanceOfClassToken(
    _ classToken: Float64Matrix, prompts: Range<Int>
  ) throws(ModelError) -> Float64Matrix {
    let (embeddingWidth, width) = (text.columns, classToken.columns)
    let projection = try forward.weight("visual.proj", rows: embeddingWidth, columns: width)
    let read = try forward.layerNorm(classToken, "visual.ln_post")
    let embedding = try forward.multiply(read, projection, transposed: true)
    var seeds: [Double] = []
    for prompt in prompts {
      let seed = try forward.linearRule(
        Float64Matrix(rows: 1, columns: 1, values: [1]), input: embedding, weight: text.rows(prompt..<prompt + 1))
      seeds += seed.values
    }
    let relevance = try forward.linearRule(
      Float64Matrix(rows: prompts.count, columns: embeddingWidth, values: seeds), input: read, weight: projection)
    return LRPRules.share(classToken, of: LRPRules.quotients(relevance, classToken))
  }

  /// From a block's output to the attention's output before its projection, and to the input by the residual.
  private func throughMLP(
    _ block: Float64Forward<B>.Block, relevance: Float64Matrix
  ) throws(ModelError) -> (input: Float64Matrix, attention: Float64Matrix) {
    let output = LRPRules.quotients(relevance, block.output)
    let hidden = try forward.linearRule(
      LRPRules.share(block.mlp, of: output), input: block.hidden, weight: block.mlpOutput)
    let normalized = try forward.linearRule(hidden, input: block.normalizedMiddle, weight: block.mlpInput)
    let middle = LRPRules.quotients(
      LRPRules.fork(block.middle, LRPRules.share(block.middle, of: output), normalized), block.middle)
    let attention = try forward.linearRule(
      LRPRules.share(block.projected, of: middle), input: block.attended, weight: block.attentionOutput)
    return (LRPRules.share(block.input, of: middle), attention)
  }

  /// From the attention's output to the block's input, where it meets what came by the residual.
  private func throughAttention(
    _ block: Float64Forward<B>.Block, _ residual: Float64Matrix, _ attention: Float64Matrix
  ) throws(ModelError) -> Float64Matrix {
    let (tokens, heads) = (block.input.rows, forward.vision.heads)
    var fused = Float64Matrix(
      rows: attention.rows, columns: 3 * attention.columns,
      values: [Double](repeating: 0, count: 3 * attention.values.count))
    for head in 0..<heads {
      let part = Float64Forward<B>.HeadPart(block.queriesKeysValues, head: head, heads: heads)
      let (products, map) = try forward.attention(part)
      let (mapTransposed, attended) = (map.transposed, block.attended.head(head, of: heads))
      for prompt in 0..<attention.rows / tokens {
        let rows = prompt * tokens..<(prompt + 1) * tokens
        let output = LRPRules.quotients(attention.rows(rows).head(head, of: heads), attended)
        let mapRelevance = LRPRules.share(
          map, of: try forward.multiply(output, part.values, transposed: true), factor: 0.5)
        let logits = LRPRules.quotients(mapRelevance, products)
        let parts = [
          LRPRules.share(part.queries, of: try forward.multiply(logits, part.keys, transposed: false), factor: 0.5),
          LRPRules.share(
            part.keys, of: try forward.multiply(logits.transposed, part.queries, transposed: false), factor: 0.5),
          LRPRules.share(
            part.values, of: try forward.multiply(mapTransposed, output, transposed: false), factor: 0.5),
        ]
        for (kind, relevance) in parts.enumerated() {
          fused.setHead(kind * heads + head, of: 3 * heads, firstRow: rows.lowerBound, to: relevance)
        }
      }
    }
    let normalized = try forward.linearRule(fused, input: block.normalizedInput, weight: block.attentionInput)
    return LRPRules.fork(block.input, residual, normalized)
  }

  /// Partial-LRP: the relevance of the class token's row of the last maps, `[prompts, gridHeight, gridWidth]`.
  private func lastMap(
    _ block: Float64Forward<B>.Block, _ attention: Float64Matrix
  ) throws(ModelError) -> [Float] {
    let (tokens, heads) = (block.input.rows, forward.vision.heads)
    var sums = [Double](repeating: 0, count: attention.rows * tokens)
    for head in 0..<heads {
      let part = Float64Forward<B>.HeadPart(block.queriesKeysValues, head: head, heads: heads)
      let map = try forward.attention(part).map.rows(0..<1)
      let output = LRPRules.quotients(
        attention.head(head, of: heads), block.attended.rows(0..<1).head(head, of: heads))
      let relevance = LRPRules.share(
        map, of: try forward.multiply(output, part.values, transposed: true), factor: 0.5)
      for index in sums.indices { sums[index] += max(0, relevance.values[index]) / Double(heads) }
    }
    return (0..<attention.rows).flatMap { prompt in
      sums[prompt * tokens + 1..<(prompt + 1) * tokens].map { Float($0) }
    }
  }

  /// From what enters the first block to the pixels: the positions take their share, the class token is dropped, and
  /// patches are read by the rule for bounded inputs. `[prompts, height, width]`, channels added.
  private func pixelMaps(
    _ relevance: Float64Matrix, _ embedding: Float64Forward<B>.Embedding, pixels: [Double]
  ) throws(ModelError) -> [Float] {
    let (patches, weight) = (embedding.patches, embedding.convolution)
    let (low, high) = (pixels.min() ?? 0, pixels.max() ?? 0)
    let (positive, negative) = (weight.part(positive: true), weight.part(positive: false))
    var bounds = try forward.multiply(patches, weight, transposed: true)
    for output in 0..<weight.rows {
      let bound =
        low * positive.rows(output..<output + 1).values.reduce(0, +)
        + high * negative.rows(output..<output + 1).values.reduce(0, +)
      for patch in 0..<patches.rows { bounds.values[patch * weight.rows + output] += 1e-9 - bound }
    }
    let sum = Float64Matrix(
      rows: embedding.tokens.rows, columns: weight.rows,
      values: zip(embedding.tokens.values, embedding.positions).map { $0 + $1 })
    let tokens = LRPRules.share(embedding.tokens, of: LRPRules.quotients(relevance, sum))
    var maps: [Float] = []
    for prompt in 0..<relevance.rows / sum.rows {
      var quotients = tokens.rows(prompt * sum.rows + 1..<(prompt + 1) * sum.rows)
      for index in quotients.values.indices { quotients.values[index] /= bounds.values[index] }
      let whole = try forward.multiply(quotients, weight, transposed: false)
      let lower = try forward.multiply(quotients, positive, transposed: false)
      let upper = try forward.multiply(quotients, negative, transposed: false)
      maps += unpatched(
        whole.values.indices.map {
          patches.values[$0] * whole.values[$0] - low * lower.values[$0] - high * upper.values[$0]
        })
    }
    return maps
  }

  /// Patches `[patches, 3 · patch · patch]` back in their places, channels added.
  private func unpatched(_ values: [Double]) -> [Float] {
    let patch = forward.vision.patchSize
    let width = grid.width * patch
    var sums = [Double](repeating: 0, count: grid.count * patch * patch)
    for (index, value) in values.enumerated() {
      let (x, y) = (index % patch, index / patch % patch)
      let cell = index / (3 * patch * patch)
      sums[(cell / grid.width * patch + y) * width + cell % grid.width * patch + x] += value
    }
    return sums.map { Float($0) }
  }

  /// One row per prompt as the first of `tokens` rows, the others zero.
  private func spread(_ rows: Float64Matrix, over tokens: Int) -> Float64Matrix {
    var values: [Double] = []
    for row in 0..<rows.rows {
      values += rows.rows(row..<row + 1).values
      values += [Double](repeating: 0, count: (tokens - 1) * rows.columns)
    }
    return Float64Matrix(rows: rows.rows * tokens, columns: rows.columns, values: values)
  }
}

extension Float64Forward.Block {
  /// The same block for some of its tokens, as far as the MLP and the residual are concerned.
  fileprivate func rows(_ range: Range<Int>) -> Self {
    Self(
      attentionInput: attentionInput, attentionOutput: attentionOutput, mlpInput: mlpInput, mlpOutput: mlpOutput,
      input: input.rows(range), normalizedInput: normalizedInput.rows(range),
      queriesKeysValues: queriesKeysValues.rows(range), attended: attended.rows(range),
      projected: projected.rows(range), middle: middle.rows(range), normalizedMiddle: normalizedMiddle.rows(range),
      hidden: hidden.rows(range), mlp: mlp.rows(range), output: output.rows(range))
  }
}
