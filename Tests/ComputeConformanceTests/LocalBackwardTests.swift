import Compute
import TestSupport
import Testing

/// The operations together, as a tower uses them: a block's forward, its score and its local backward, against the
/// same block in Double, which `GradientTests` holds against central differences.
struct LocalBackwardTests {
  /// Largest error over the largest relevance.
  static func bound(_ precision: Precision) -> Double {
    switch precision {
    case .f32: 1e-5
    case .bf16Split: 2e-5
    case .f16: 3e-3
    case .bf16: 3e-2
    }
  }

  @Test(arguments: TestBackend.available, Activation.allCases)
  func relevance(_ backend: TestBackend, _ activation: Activation) throws {
    let block = TinyBlock(activation: activation)
    let expected = Oracle.attentionRelevance(
      outputGradient: block.outputGradient(), values: block.values, heads: block.heads, stack: block.stack)
    func run<B: Backend>(_ backend: B) throws -> HostMatrix { try Self.relevance(of: block, on: backend) }
    let actual = try run(backend.open())
    let largest = expected.values.max() ?? 0
    let error = zip(actual.values, expected.values).map { abs(Double($0) - $1) }.max() ?? 0
    #expect(actual.values.count == expected.values.count && largest > 0)
    #expect(error <= Self.bound(backend.precision) * largest)
  }

  static func relevance<B: Backend>(of block: TinyBlock, on backend: B) throws -> HostMatrix {
    let (images, heads, stack) = (block.images, block.heads, block.stack)
    let (rows, width) = (block.input.rows, block.input.columns)
    let mlp = block.mlp1.weight.rows
    func place(_ matrix: DoubleMatrix) throws -> Matrix<B.Buffer> { try matrix.floats.upload(to: backend) }
    func make(_ rows: Int, _ columns: Int) throws -> Matrix<B.Buffer> {
      try backend.makeMatrix(rows: rows, columns: columns)
    }
    func norm(
      _ input: Matrix<B.Buffer>, _ norm: (scale: DoubleMatrix, shift: DoubleMatrix)
    ) throws -> (output: Matrix<B.Buffer>, statistics: Matrix<B.Buffer>) {
      let (output, statistics) = try (make(input.rows, input.columns), make(input.rows, 2))
      try backend.layerNorm(
        LayerNorm(
          input: input, scale: place(norm.scale), shift: place(norm.shift), epsilon: Float(block.epsilon),
          output: output, statistics: statistics))
      return (output, statistics)
    }

    // The forward.
    let input = try place(block.input)
    let fused = try make(rows, 3 * width)
    try backend.matmul(
      Matmul(
        input: norm(input, block.norm1).output, weight: block.inputProjection.weight.floats.prepare(on: backend),
        output: fused, epilogue: .init(bias: place(block.inputProjection.bias))))
    let values = fused.columns(2 * width..<3 * width)
    let attended = try make(rows, width)
    try backend.attention(
      Attention(
        queries: fused.columns(0..<width), keys: fused.columns(width..<2 * width), values: values, heads: heads,
        tokens: stack.rows, output: attended))
    let outputProjection = try block.outputProjection.weight.floats.prepare(on: backend)
    let mid = try make(rows, width)
    try backend.matmul(
      Matmul(
        input: attended, weight: outputProjection, output: mid,
        epilogue: .init(bias: place(block.outputProjection.bias), residual: input)))
    let mlp1 = try block.mlp1.weight.floats.prepare(on: backend)
    let mlp2 = try block.mlp2.weight.floats.prepare(on: backend)
    let norm2 = try norm(mid, block.norm2)
    let (hidden, derivative) = try (make(rows, mlp), make(rows, mlp))
    try backend.matmul(
      Matmul(
        input: norm2.output, weight: mlp1, output: hidden,
        epilogue: .init(bias: place(block.mlp1.bias), activation: block.activation, derivative: derivative)))
    let output = try make(rows, width)
    try backend.matmul(
      Matmul(
        input: hidden, weight: mlp2, output: output,
        epilogue: .init(bias: place(block.mlp2.bias), residual: mid)))

    // The read-out and its gradient.
    let mean = try make(images, width)
    try backend.meanRows(MeanRows(input: output, rowsPerGroup: stack.rows, output: mean))
    let normPost = try norm(mean, block.normPost)
    let projection = try block.projection.floats.prepare(on: backend)
    let (embedding, norms) = try (make(images, block.projection.rows), make(images, 1))
    try backend.matmul(Matmul(input: normPost.output, weight: projection, output: embedding))
    try backend.normalizeRows(NormalizeRows(input: embedding, output: embedding, norms: norms))
    let embeddingGradient = try make(images * stack.copies, embedding.columns)
    try backend.normalizeRowsBackward(
      NormalizeRowsBackward(
        directions: place(block.text), normalized: embedding, norms: norms, gradient: embeddingGradient))
    let tokenGradient = try make(images * stack.copies, width)
    try backend.matmul(
      Matmul(input: embeddingGradient, weight: projection, side: .inputs, output: tokenGradient))
    try backend.layerNormBackward(
      LayerNormBackward(
        upstream: tokenGradient, input: mean, statistics: normPost.statistics, scale: place(block.normPost.scale),
        stack: RowStack(copies: stack.copies, rows: 1), factor: 1 / Float(stack.rows),
        output: tokenGradient))

    // The block's backward, down to the attention's output.
    let hiddenGradient = try make(images * stack.copies, mlp)
    try backend.matmul(Matmul(input: tokenGradient, weight: mlp2, side: .inputs, output: hiddenGradient))
    let midGradient = try make(rows * stack.copies, width)
    try backend.matmul(
      Matmul(
        input: derivative, inputScale: .init(scales: hiddenGradient, stack: stack), weight: mlp1, side: .inputs,
        output: midGradient))
    try backend.layerNormBackward(
      LayerNormBackward(
        upstream: midGradient, input: mid, statistics: norm2.statistics, scale: place(block.norm2.scale),
        stack: stack, addend: tokenGradient, output: midGradient))
    let outputGradient = try make(rows * stack.copies, width)
    try backend.matmul(
      Matmul(input: midGradient, weight: outputProjection, side: .inputs, output: outputGradient))
    let relevance = try make(images * stack.copies, stack.rows)
    try backend.attentionRelevance(
      AttentionRelevance(
        outputGradient: outputGradient, values: values, heads: heads, stack: stack, relevance: relevance))
    return try HostMatrix.download(relevance, from: backend)
  }
}
