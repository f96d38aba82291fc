import Compute
import Failures
import OperationSamples
import TestSupport
import Testing

@testable import ComputeOpenCL

/// Attention and its relevance on matrix units, in what stands in for each vendor's instructions: the layouts are those
/// of the instructions, as in `MatrixProductTests`.
@Suite(.enabled(if: TestDevice.first != nil))
struct MatrixAttentionTests {
  private static func backend(
    _ instructions: MatrixInstructions, _ precision: Precision, _ kernels: AttentionKernels = .matrix
  ) throws -> OpenCLBackend {
    try TestDevice.backend(.matrix, precision) {
      $0.matrixSet = MatrixSet(instructions: instructions, isPlain: true)
      $0.attentionKernels = kernels
    }
  }

  /// Each layout in the tile of most heads; one layout with the widths of heads that take the other tiles, and in one
  /// part.
  static let cases: [(MatrixInstructions, Precision, Int)] =
    MatrixInstructions.allCases.map { ($0, .bf16Split, 72) }
    + [
      (.intel8, .bf16Split, 104), (.nvidia, .bf16, 40), (.nvidia, .bf16Split, 104), (.nvidia, .bf16Split, 193),
      (.nvidia, .bf16Split, 230),
    ]

  /// Queries, keys and values of two sequences beside each other.
  private struct Work {
    let (tokens, heads, width): (Int, Int, Int)
    let fused: HostMatrix

    init(tokens: Int, heads: Int, width: Int, seed: UInt64 = 1) {
      (self.tokens, self.heads, self.width) = (tokens, heads, width)
      fused = .random(2 * tokens, 3 * heads * width, seed: seed)
    }

    var columns: Int { heads * width }
    func part(_ index: Int) -> DoubleMatrix { fused.doubles.columns(index * columns..<(index + 1) * columns) }

    func attention(
      on backend: OpenCLBackend, mask: AttentionMask = .none, layout: Layout = .tight
    ) throws -> HostMatrix {
      let stage = Stage(backend, layout: layout)
      let fused = try stage.input(fused, "queries, keys, values")
      let output = try stage.output(rows: 2 * tokens, columns: columns)
      let parts = (0..<3).map { fused.columns($0 * columns..<($0 + 1) * columns) }
      try backend.attention(
        Attention(
          queries: parts[0], keys: parts[1], values: parts[2], heads: heads, tokens: tokens, mask: mask,
          output: output))
      try stage.expectSurroundingsIntact(sourceLocation: #_sourceLocation)
      return try stage.read(output)
    }

    func relevance(on backend: OpenCLBackend, layout: Layout = .tight) throws -> HostMatrix {
      let stage = Stage(backend, layout: layout)
      let fused = try stage.input(fused, "gradient, nothing, values")
      let relevance = try stage.output(rows: 2, columns: tokens)
      try backend.attentionRelevance(
        AttentionRelevance(
          outputGradient: fused.columns(0..<columns), values: fused.columns(2 * columns..<3 * columns), heads: heads,
          stack: RowStack(copies: 1, rows: tokens), relevance: relevance))
      try stage.expectSurroundingsIntact(sourceLocation: #_sourceLocation)
      return try stage.read(relevance)
    }
  }

  /// More rows than a tile has, and neither they nor the heads fill whole ones.
  @Test(arguments: cases)
  func everyLayoutAndEveryTileIsRight(
    _ instructions: MatrixInstructions, _ precision: Precision, _ width: Int
  ) throws {
    let backend = try Self.backend(instructions, precision)
    let work = Work(tokens: 67, heads: 2, width: width)
    for mask in [AttentionMask.none, .causal] {
      let expected = Oracle.attention(
        queries: work.part(0), keys: work.part(1), values: work.part(2), heads: 2, tokens: 67, mask: mask)
      expectClose(
        try work.attention(on: backend, mask: mask), expected, bound: OperationName.attention.bound(precision),
        "\(mask)")
    }
    let expected = Oracle.attentionRelevance(
      outputGradient: work.part(0), values: work.part(2), heads: 2, stack: RowStack(copies: 1, rows: 67))
    expectClose(
      try work.relevance(on: backend), expected, bound: OperationName.attentionRelevance.bound(precision))
  }

  /// Rows that are read in quads, without a look at the edge, give the bits of those that are not.
  @Test func alignedHeadsGiveTheSameBitsAsOthers() throws {
    let backend = try Self.backend(.nvidia, .bf16Split)
    let work = Work(tokens: 19, heads: 2, width: 24)
    expectSameBits(
      try work.attention(on: backend, layout: .padded), try work.attention(on: backend, layout: .tight), "attention")
    expectSameBits(
      try work.relevance(on: backend, layout: .padded), try work.relevance(on: backend, layout: .tight), "relevance")
  }

  /// It is not the portable kernels that answer, and these do where they are asked for or heads are too wide.
  @Test func kernelsAreThoseThatWereAskedFor() throws {
    let portable = try TestDevice.backend(.portable)
    let narrow = Work(tokens: 9, heads: 1, width: 16)
    let wide = Work(tokens: 5, heads: 1, width: 512)
    for (kernels, isPortable) in [(AttentionKernels.portable, true), (.matrix, false)] {
      let backend = try Self.backend(.nvidia, .bf16Split, kernels)
      #expect(try (narrow.attention(on: backend) == narrow.attention(on: portable)) == isPortable)
      #expect(try (narrow.relevance(on: backend) == narrow.relevance(on: portable)) == isPortable)
      expectSameBits(try wide.attention(on: backend), try wide.attention(on: portable))
      expectSameBits(try wide.relevance(on: backend), try wide.relevance(on: portable))
    }
    #expect(try TestDevice.backend(.matrix).attentionKernels == .matrix)
  }

  /// Gradients of 1e-30 and values of 1e9 are as exact as others in every precision.
  @Test(arguments: MatrixProductTests.precisions)
  func relevanceOfAnyMagnitudeIsAsExact(_ precision: Precision) throws {
    let backend = try Self.backend(.nvidia, precision)
    let (tokens, width) = (21, 24)
    var gradient = HostMatrix.random(tokens, width, seed: 3)
    var values = HostMatrix.random(tokens, width, seed: 4)
    for index in gradient.values.indices { gradient.values[index] *= 1e-30 }
    for index in values.values.indices { values.values[index] *= 1e9 }
    let relevance = try backend.makeMatrix(rows: 1, columns: tokens)
    let stack = RowStack(copies: 1, rows: tokens)
    try backend.attentionRelevance(
      AttentionRelevance(
        outputGradient: gradient.upload(to: backend), values: values.upload(to: backend), heads: 1, stack: stack,
        relevance: relevance))
    expectClose(
      try HostMatrix.download(relevance, from: backend),
      Oracle.attentionRelevance(
        outputGradient: gradient.doubles, values: values.doubles, heads: 1, stack: stack),
      bound: OperationName.attentionRelevance.bound(precision))
  }

  /// NaN stays where it comes from: in a query's own row, and with a key or a value in all rows of its sequence.
  @Test(arguments: [Precision.bf16, .bf16Split])
  func whatIsNotANumberStaysInItsRows(_ precision: Precision) throws {
    let backend = try Self.backend(.nvidia, precision)
    let (tokens, width) = (35, 16)
    func rowsOfNumbers(spoiling part: Int) throws -> [Bool] {
      var matrix = HostMatrix.random(2 * tokens, 3 * width, seed: 5)
      matrix[4, part * width + 3] = .nan
      let fused = try matrix.upload(to: backend)
      let output = try backend.makeMatrix(rows: 2 * tokens, columns: width)
      let parts = (0..<3).map { fused.columns($0 * width..<($0 + 1) * width) }
      try backend.attention(
        Attention(queries: parts[0], keys: parts[1], values: parts[2], heads: 1, tokens: tokens, output: output))
      let result = try HostMatrix.download(output, from: backend)
      return (0..<2 * tokens).map { row in (0..<width).contains { result[row, $0].isNaN } }
    }
    #expect(try rowsOfNumbers(spoiling: 0) == (0..<2 * tokens).map { $0 == 4 })
    for part in [1, 2] {
      #expect(try rowsOfNumbers(spoiling: part) == (0..<2 * tokens).map { $0 < tokens })
    }
  }

  /// Kernels that are right pass in all precisions; a relevance that counts negative gradients does not.
  @Test func theTrialTellsRightFromWrong() throws {
    let device = try #require(TestDevice.first)
    let scratch = try ScratchFolder()
    var options = OpenCLBackend.Options()
    options.matrixSet = .plain
    options.kernelFolder = TestDevice.kernelFolder
    try AttentionTrial(.matrix, on: device, options).compare()
    var texts = try KernelLibrary.texts(in: TestDevice.kernelFolder)
    let parts = try #require(texts["attention_relevance_matrix.cl"]).split(separator: " < 0.0f ? ")
    #expect(parts.count == 2)
    texts["attention_relevance_matrix.cl"] = parts.joined(separator: " < -9.0f ? ")
    for (name, text) in texts { try scratch.write(Array(text.utf8), name) }
    options.kernelFolder = scratch.path
    let finding = try Trial.finding(of: .attention(.matrix), on: device, options)
    #expect(finding.lasts && finding.verdict.problem?.contains("the matrix kernels of attention compute") == true)
  }

  /// In the process that tries it, as in this one.
  @Test(arguments: AttentionKernels.allCases) func subjectsHaveWords(_ kernels: AttentionKernels) {
    #expect(TrialSubject(word: TrialSubject.attention(kernels).word) == .attention(kernels))
  }

  @Test(arguments: MatrixInstructions.allCases)
  func tilesFitTheirGroupsAndLocalMemory(_ instructions: MatrixInstructions) throws {
    let set = MatrixSet(instructions: instructions, isPlain: false)
    for precision in MatrixProductTests.precisions {
      for width in 1...320 {
        let tile = try #require(HeadTile.best(width: width, precision: precision))
        #expect(tile.items(set) <= 256 && tile.localMemory(width: width, precision: precision, set) <= 48 << 10)
      }
      #expect(HeadTile.best(width: 1024, precision: precision) == nil)
    }
    #expect(HeadTile.best(width: 64, precision: .bf16Split)?.rows == 64)
    #expect(Set((1...320).compactMap { HeadTile.best(width: $0, precision: .bf16Split) }) == Set(HeadTile.all))
  }
}
