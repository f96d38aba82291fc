import Compute
import TestSupport
import Testing

/// The backward definitions of Compute, against central differences of the forward ones, in Double throughout.
struct GradientTests {
  static let tolerance = 1e-7

  /// The derivative of `function` at each element of `point`, by the five-point formula.
  static func centralDifferences(
    at point: DoubleMatrix, step: Double = 1e-3, _ function: (DoubleMatrix) -> Double
  ) -> DoubleMatrix {
    var gradient = point
    for index in point.values.indices {
      func value(_ steps: Double) -> Double {
        var moved = point
        moved.values[index] += steps * step
        return function(moved)
      }
      gradient.values[index] = (8 * (value(1) - value(-1)) - (value(2) - value(-2))) / (12 * step)
    }
    return gradient
  }

  /// Expects a largest error of `tolerance` times the largest element.
  static func expectAgreement(
    _ closedForm: DoubleMatrix, _ differences: DoubleMatrix, _ label: String,
    sourceLocation: SourceLocation = #_sourceLocation
  ) {
    #expect(
      closedForm.rows == differences.rows && closedForm.columns == differences.columns, "\(label)",
      sourceLocation: sourceLocation)
    let largest = differences.values.map(abs).max() ?? 0
    let error = zip(closedForm.values, differences.values).map { abs($0 - $1) }.max() ?? 0
    #expect(largest > 0 && error <= tolerance * largest, "\(label)", sourceLocation: sourceLocation)
  }

  static func inner(_ left: DoubleMatrix, _ right: DoubleMatrix) -> Double {
    zip(left.values, right.values).reduce(0) { $0 + $1.0 * $1.1 }
  }

  @Test(arguments: Activation.allCases)
  func activationDerivative(_ activation: Activation) {
    let points = DoubleMatrix(rows: 1, columns: 11, values: [-6, -3, -1.5, -0.75, -0.1, 0, 0.2, 0.8, 1.3, 2.9, 7])
    let differences = Self.centralDifferences(at: points) { moved in
      moved.values.reduce(0) { $0 + Oracle.activation(activation, $1) }
    }
    Self.expectAgreement(
      points.map { Oracle.activationDerivative(activation, $0) }, differences, activation.rawValue)
  }

  @Test func softmaxBackward() {
    let logits = DoubleMatrix.random(3, 7, seed: 1)
    let upstream = DoubleMatrix.random(3, 7, seed: 2)
    Self.expectAgreement(
      Oracle.softmaxBackward(upstream: upstream, output: Oracle.softmax(logits)),
      Self.centralDifferences(at: logits) { Self.inner(upstream, Oracle.softmax($0)) }, "softmax")
  }

  @Test func layerNormBackward() {
    let scale = DoubleMatrix.random(1, 6, seed: 3)
    let shift = DoubleMatrix.random(1, 6, seed: 4)
    let input = DoubleMatrix.random(4, 6, seed: 5)
    let upstream = DoubleMatrix.random(4, 6, seed: 6)
    let addend = DoubleMatrix.random(2, 6, seed: 7)
    let statistics = Oracle.layerNorm(input, scale: scale, shift: shift, epsilon: 1e-5).statistics
    // One prompt of two tokens in each of two images: the addend is the gradient of a sum beside the norm.
    let gradient = Oracle.layerNormBackward(
      upstream: upstream, input: input, statistics: statistics, scale: scale,
      stack: RowStack(copies: 1, rows: 2), factor: 0.3, addend: addend)
    let differences = Self.centralDifferences(at: input) { moved in
      let output = Oracle.layerNorm(moved, scale: scale, shift: shift, epsilon: 1e-5).output
      let beside = (0..<4).reduce(0) { sum, row in
        sum + zip(moved.row(row), addend.row(row / 2)).reduce(0) { $0 + $1.0 * $1.1 }
      }
      return 0.3 * Self.inner(upstream, output) + beside
    }
    Self.expectAgreement(gradient, differences, "layer norm")
  }

  @Test func normalizeRowsBackward() {
    let directions = Oracle.normalizeRows(.random(3, 5, seed: 8)).output
    let embeddings = DoubleMatrix.random(2, 5, seed: 9)
    let (normalized, norms) = Oracle.normalizeRows(embeddings)
    let gradient = Oracle.normalizeRowsBackward(directions: directions, normalized: normalized, norms: norms)
    for prompt in 0..<3 {
      let differences = Self.centralDifferences(at: embeddings) { moved in
        let unit = Oracle.normalizeRows(moved).output
        return (0..<2).reduce(0) { sum, image in
          sum + zip(directions.row(prompt), unit.row(image)).reduce(0) { $0 + $1.0 * $1.1 }
        }
      }
      Self.expectAgreement(
        Oracle.gatherRows(gradient, rowNumbers: [prompt, 3 + prompt]), differences, "prompt \(prompt)")
    }
  }

  @Test(arguments: [AttentionMask.none, .causal])
  func attentionBackward(_ mask: AttentionMask) {
    let (heads, tokens) = (2, 4)
    let parts = (0..<4).map { DoubleMatrix.random(2 * tokens, 6, seed: UInt64(10 + $0)) }
    func score(_ queries: DoubleMatrix, _ keys: DoubleMatrix, _ values: DoubleMatrix) -> Double {
      let output = Oracle.attention(
        queries: queries, keys: keys, values: values, heads: heads, tokens: tokens, mask: mask)
      return Self.inner(parts[3], output)
    }
    let gradients = Oracle.attentionBackward(
      upstream: parts[3], queries: parts[0], keys: parts[1], values: parts[2], heads: heads, tokens: tokens,
      mask: mask)
    Self.expectAgreement(
      gradients.queries, Self.centralDifferences(at: parts[0]) { score($0, parts[1], parts[2]) }, "queries")
    Self.expectAgreement(
      gradients.keys, Self.centralDifferences(at: parts[1]) { score(parts[0], $0, parts[2]) }, "keys")
    Self.expectAgreement(
      gradients.values, Self.centralDifferences(at: parts[2]) { score(parts[0], parts[1], $0) }, "values")
  }

  /// LeGrad's local backward: the gradient of a block's score at the block's own attention maps (methods §1.2); of a
  /// score that reads the class token, GradCAM's and CheferCAM's (methods §2.3, §2.4).
  @Test(arguments: Activation.allCases, [false, true])
  func localBackward(_ activation: Activation, readsFirstToken: Bool) {
    let block = TinyBlock(activation: activation, readsFirstToken: readsFirstToken)
    let maps = block.maps
    let gradients = block.mapGradients()
    for image in 0..<block.images {
      for prompt in 0..<block.stack.copies {
        for head in 0..<block.heads {
          let number = image * block.heads + head
          let differences = Self.centralDifferences(at: maps[number]) { moved in
            var movedMaps = maps
            movedMaps[number] = moved
            return block.scores(movedMaps)[image, prompt]
          }
          Self.expectAgreement(
            gradients[(image * block.stack.copies + prompt) * block.heads + head], differences,
            "image \(image), prompt \(prompt), head \(head)")
        }
      }
    }
  }

  /// The relevance is the positive part of those gradients, averaged over heads and queries.
  @Test func relevanceOfTheLocalBackward() {
    let block = TinyBlock(activation: .gelu)
    let gradients = block.mapGradients()
    var relevance = DoubleMatrix(rows: block.images * block.stack.copies, columns: block.stack.rows)
    for row in 0..<relevance.rows {
      for key in 0..<relevance.columns {
        let positive = gradients[row * block.heads..<(row + 1) * block.heads].map { map in
          (0..<map.rows).reduce(0) { $0 + (map[$1, key] > 0 ? map[$1, key] : 0) } / Double(map.rows)
        }
        relevance[row, key] = positive.reduce(0, +) / Double(block.heads)
      }
    }
    Self.expectAgreement(
      Oracle.attentionRelevance(
        outputGradient: block.outputGradient(), values: block.values, heads: block.heads, stack: block.stack),
      relevance, "relevance")
  }
}
