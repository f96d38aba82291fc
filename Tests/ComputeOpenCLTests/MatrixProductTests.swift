import Compute
import Failures
import OpenCLRuntime
import OperationSamples
import TestSupport
import Testing

@testable import ComputeOpenCL

/// Products on matrix units, in what stands in for each vendor's instructions: the layouts are those of the instructions,
/// so that what is right here is wrong there only where the instruction itself is.
@Suite(.enabled(if: TestDevice.first != nil))
struct MatrixProductTests {
  static let precisions = Precision.allCases.filter { KernelVariant.matrix.takes($0) }

  /// A layout is the same in every precision; that in two parts has most of it.
  static let layouts =
    precisions.map { (MatrixInstructions.nvidia, $0) }
    + MatrixInstructions.allCases.filter { $0 != .nvidia }.map { ($0, .bf16Split) }

  private func backend(_ instructions: MatrixInstructions, _ precision: Precision) throws -> OpenCLBackend {
    try TestDevice.backend(.matrix, precision) {
      $0.matrixSet = MatrixSet(instructions: instructions, isPlain: true)
    }
  }

  /// A product as the backend's launcher is asked for it, with what is needed to know its result.
  private struct Product {
    let matmul: Matmul<OpenCLBuffer, OpenCLWeight>
    let expected: DoubleMatrix

    init(_ backend: OpenCLBackend, rows: Int, inner: Int, columns: Int, byInputs: Bool, prompts: Int? = nil) throws {
      let input = HostMatrix.random(rows, inner, seed: 1)
      let scales = prompts.map { HostMatrix.random($0, inner, seed: 2) }
      let stack = RowStack(copies: prompts ?? 1, rows: prompts == nil ? 1 : rows)
      let weight = HostMatrix.random(byInputs ? inner : columns, byInputs ? columns : inner, seed: 3)
      let bias = HostMatrix.random(1, columns, seed: 4)
      let outputRows = rows * (prompts ?? 1)
      matmul = Matmul(
        input: try input.upload(to: backend),
        inputScale: try scales.map { .init(scales: try $0.upload(to: backend), stack: stack) },
        weight: try weight.prepare(on: backend), side: byInputs ? .inputs : .outputs,
        output: try backend.makeMatrix(rows: outputRows, columns: columns),
        epilogue: .init(bias: try bias.upload(to: backend)))
      let left = scales.map { Oracle.scaledInput(input.doubles, scales: $0.doubles, stack: stack) }
      let product = Oracle.matmul(
        left ?? input.doubles, weight: weight.doubles, side: byInputs ? .inputs : .outputs)
      expected = Oracle.epilogue(product, bias: bias.doubles, activation: nil, residual: nil).output
    }

    func run(on backend: OpenCLBackend, by tile: MatrixTile) throws -> HostMatrix {
      try backend.fill(Fill(matmul.output, with: .nan))
      try backend.perform(.matmul) { stream throws(OpenCLError) in
        try backend.matrixMatmul(matmul, by: tile, backend.matrixSet, on: stream)
      }
      return try HostMatrix.download(matmul.output, from: backend)
    }
  }

  /// Every layout in every tile, from both sides, with a row and a column more than the largest tile has and a depth that
  /// no step divides; and the same bits in all tiles.
  @Test(arguments: layouts)
  func everyLayoutIsRightInEveryTile(_ instructions: MatrixInstructions, _ precision: Precision) throws {
    let backend = try backend(instructions, precision)
    for (byInputs, prompts) in [(false, nil), (true, 2)] {
      let product = try Product(
        backend, rows: prompts == nil ? 129 : 65, inner: 83, columns: 131, byInputs: byInputs, prompts: prompts)
      var first: HostMatrix?
      for tile in MatrixTile.all {
        let result = try product.run(on: backend, by: tile)
        let label = "\(tile.rows)×\(tile.columns), \(byInputs ? "by inputs" : "by outputs")"
        expectClose(result, product.expected, bound: OperationName.matmul.bound(precision), label)
        if let first { expectSameBits(result, first, label) }
        first = first ?? result
      }
    }
  }

  /// Steps that divide the depth are read in quads, without a look at the edge.
  @Test(arguments: precisions)
  func wholeStepsGiveTheSameBitsAsRaggedOnes(_ precision: Precision) throws {
    let backend = try backend(.nvidia, precision)
    let (rows, inner, columns) = (17, 256, 65)
    let input = HostMatrix.random(rows, inner, seed: 5)
    let weight = try HostMatrix.random(columns, inner, seed: 6).prepare(on: backend)
    func product(_ layout: Layout) throws -> HostMatrix {
      let stage = Stage(backend, layout: layout)
      let output = try stage.output(rows: rows, columns: columns)
      try backend.matmul(Matmul(input: stage.input(input), weight: weight, output: output))
      return try stage.read(output)
    }
    expectSameBits(try product(.padded), try product(.tight), "\(precision)")
  }

  /// float16 has no number above 65504 and few below 6e-5: rows of any magnitude come out as exactly as others, also
  /// beside each other.
  @Test(arguments: precisions)
  func rowsOfAnyMagnitudeAreAsExact(_ precision: Precision) throws {
    let backend = try backend(.nvidia, precision)
    let magnitudes: [Float] = [1e-30, 1e30, 1e-7, 1, 1e9]
    let (inner, columns) = (48, 7)
    var input = HostMatrix.random(magnitudes.count, inner, seed: 7)
    for index in input.values.indices { input.values[index] *= magnitudes[index / inner] }
    let weight = HostMatrix.random(columns, inner, seed: 8)
    let output = try backend.makeMatrix(rows: magnitudes.count, columns: columns)
    try backend.matmul(
      Matmul(input: input.upload(to: backend), weight: weight.prepare(on: backend), output: output))
    let results = try HostMatrix.download(output, from: backend)
    for (row, magnitude) in magnitudes.enumerated() {
      expectClose(
        results.rows(row..<row + 1),
        Oracle.matmul(input.rows(row..<row + 1).doubles, weight: weight.doubles, side: .outputs),
        bound: OperationName.matmul.bound(precision), "\(precision) at \(magnitude)")
    }
  }

  /// A product with the identity is the input as it was rounded: to nearest, ties to even, to 8 or 11 bits, or twice to 8.
  @Test(arguments: MatrixInstructions.allCases, precisions)
  func operandsAreRoundedToNearest(_ instructions: MatrixInstructions, _ precision: Precision) throws {
    let backend = try backend(instructions, precision)
    let (rows, width) = (9, 24)
    var input = HostMatrix.random(rows, width, seed: 12)
    // Halfway between two numbers of 8 bits and of 11, with an even one below and an odd one.
    input.values[0...3] = [0x1.01p0, 0x1.03p0, 0x1.002p0, 0x1.006p0]
    let identity = HostMatrix(
      rows: width, columns: width, values: (0..<width * width).map { $0 % width == $0 / width ? 1 : 0 })
    let output = try backend.makeMatrix(rows: rows, columns: width)
    try backend.matmul(
      Matmul(input: input.upload(to: backend), weight: identity.prepare(on: backend), output: output))
    func rounded(_ value: Float, bits: Int) -> Float {
      let unit = value.ulp * Float(1 << (24 - bits))
      return (value / unit).rounded(.toNearestOrEven) * unit
    }
    let expected = input.values.map { value in
      switch precision {
      case .f16: rounded(value, bits: 11)
      case .bf16: rounded(value, bits: 8)
      default: rounded(value, bits: 8) + rounded(value - rounded(value, bits: 8), bits: 8)
      }
    }
    expectSameBits(
      try HostMatrix.download(output, from: backend), HostMatrix(rows: rows, columns: width, values: expected))
  }

  /// What is not finite stays so, and in its row; an infinity in two parts becomes NaN.
  @Test(arguments: MatrixInstructions.allCases, precisions)
  func infinitiesAndNaNStayInTheirRows(_ instructions: MatrixInstructions, _ precision: Precision) throws {
    let backend = try backend(instructions, precision)
    let (rows, inner, columns) = (3, 20, 9)
    var input = HostMatrix.random(rows, inner, seed: 9)
    input.values[0 * inner + 3] = .infinity
    input.values[1 * inner + 19] = Float(bitPattern: 0x7fff_ffff)
    let weight = HostMatrix(rows: columns, columns: inner, values: Array(repeating: 0.5, count: columns * inner))
    let output = try backend.makeMatrix(rows: rows, columns: columns)
    try backend.matmul(
      Matmul(input: input.upload(to: backend), weight: weight.prepare(on: backend), output: output))
    let values = try HostMatrix.download(output, from: backend).values
    #expect(values[0..<columns].allSatisfy { $0 == .infinity || precision == .bf16Split && $0.isNaN })
    #expect(values[columns..<2 * columns].allSatisfy { $0.isNaN })
    #expect(values[2 * columns..<3 * columns].allSatisfy { $0.isFinite })
  }

  @Test func float32IsRefusedWithWhatToGive() throws {
    let error = #expect(throws: BackendError.self) { try TestDevice.backend(.matrix, .f32) }
    #expect(error?.description.contains("matrix kernels multiply parts of 16 bits, of which f32 has none") == true)
  }

  /// Where no matrix units are, none are chosen; they can be asked for.
  @Test func plainFunctionsAreNeverChosen() throws {
    let device = try #require(TestDevice.first)
    guard MatrixInstructions.candidates(for: device).isEmpty else { return }
    #expect(!KernelVariant.candidates(for: device).contains(.matrix))
    #expect(try OpenCLBackend(device, precision: .bf16).variant != .matrix)
    #expect(try TestDevice.backend(.matrix).matrixSet == .plain)
    let finding = try Trial.finding(of: .variant(.matrix), on: device, .init())
    #expect(finding.verdict == .refused("the device has no matrix instructions"))
  }

  /// Without matrix units two parts are float32, to the bit.
  @Test(arguments: [KernelVariant.portable, .cpu])
  func twoPartsAreFloat32OnOtherKernels(_ variant: KernelVariant) throws {
    func product(_ precision: Precision) throws -> HostMatrix {
      let backend = try TestDevice.backend(variant, precision)
      let output = try backend.makeMatrix(rows: 9, columns: 21)
      let weight = try HostMatrix.random(21, 33, seed: 10).prepare(on: backend)
      #expect(weight.bytes % 4 == 0)
      try backend.matmul(
        Matmul(input: HostMatrix.random(9, 33, seed: 11).upload(to: backend), weight: weight, output: output))
      return try HostMatrix.download(output, from: backend)
    }
    expectSameBits(try product(.bf16Split), try product(.f32))
  }

  @Test(arguments: MatrixInstructions.allCases)
  func tilesFitTheirGroupsAndLocalMemory(_ instructions: MatrixInstructions) {
    for precision in Self.precisions {
      for tile in MatrixTile.all {
        for set in [MatrixSet(instructions: instructions, isPlain: false), .plain] {
          #expect(tile.items(set) <= 256 && tile.localMemory(precision, set) <= 48 << 10)
        }
      }
      let few = MatrixTile.best(
        rows: 1, columns: 1024, precision: precision, set: .plain, computeUnits: 132, localMemory: 48 << 10)
      let many = MatrixTile.best(
        rows: 64 * 257, columns: 1024, precision: precision, set: .plain, computeUnits: 132, localMemory: 48 << 10)
      let tight = MatrixTile.best(
        rows: 64 * 257, columns: 1024, precision: precision, set: .plain, computeUnits: 132, localMemory: 16 << 10)
      #expect(few.rows == 16 && many.rows == 128 && tight.rows < 128)
    }
  }
}
