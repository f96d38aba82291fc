import Compute
import Glibc
import TestSupport
import Testing

@testable import ComputeCPU

/// The vectorised functions against the C library's in Double, over ranges so dense that no interval of their
/// approximations is left out.
@Suite struct FunctionTests {
  private static let root2pi = (2 * Double.pi).squareRoot()

  /// The function and its derivative in Double.
  private static func reference(_ activation: Activation, _ x: Double) -> (value: Double, derivative: Double) {
    switch activation {
    case .gelu:
      let distribution = erfc(-x / 2.0.squareRoot()) / 2
      return (x * distribution, distribution + x * exp(-x * x / 2) / root2pi)
    case .quickGELU:
      let gate = 1 / (1 + exp(-1.702 * x))
      return (x * gate, gate + 1.702 * x * gate * (1 - gate))
    case .silu:
      let gate = 1 / (1 + exp(-x))
      return (x * gate, gate + x * gate * (1 - gate))
    case .geluTanh:
      let inner = (2 / Double.pi).squareRoot() * (x + 0.044715 * x * x * x)
      let slope = (2 / Double.pi).squareRoot() * (1 + 3 * 0.044715 * x * x)
      return (x * (1 + tanh(inner)) / 2, (1 + tanh(inner)) / 2 + x * (1 - tanh(inner) * tanh(inner)) / 2 * slope)
    }
  }

  /// 200 003 values from −20 to 20, then some of every magnitude.
  private static let dense: [Float] = {
    var values = (0..<200_003).map { -20 + 40 * Float($0) / 200_002 }
    for exponent in -149...127 {
      for mantissa: Float in [1, 1.37, 1.999] {
        values.append(Float(sign: .plus, exponent: exponent, significand: mantissa))
        values.append(-Float(sign: .plus, exponent: exponent, significand: mantissa))
      }
    }
    return values
  }()

  @Test(arguments: CPUBackend.availableInstructionSets, Activation.allCases)
  func activationsAreAccurate(_ set: InstructionSet, _ activation: Activation) throws {
    let backend = try CPUBackend(threads: 2, instructionSet: set)
    let input = try HostMatrix(rows: 1, columns: Self.dense.count, values: Self.dense).upload(to: backend)
    let output = try backend.makeMatrix(rows: 1, columns: Self.dense.count)
    let derivative = try backend.makeMatrix(rows: 1, columns: Self.dense.count)
    try backend.activate(Activate(activation, input: input, output: output, derivative: derivative))
    let values = try HostMatrix.download(output, from: backend).values
    let derivatives = try HostMatrix.download(derivative, from: backend).values
    var worst = (value: 0.0, derivative: 0.0)
    for (index, x) in Self.dense.enumerated() {
      let expected = Self.reference(activation, Double(x))
      let scale = max(1, abs(Double(x)))
      worst.value = max(worst.value, abs(Double(values[index]) - expected.value) / scale)
      worst.derivative = max(worst.derivative, abs(Double(derivatives[index]) - expected.derivative))
    }
    #expect(worst.value <= 2e-7)
    #expect(worst.derivative <= 4e-7)
  }

  @Test(arguments: CPUBackend.availableInstructionSets)
  func exponentialsAreAccurate(_ set: InstructionSet) throws {
    // The second column's maximum leaves e^x / (1 + e^x); down to 2⁻¹²⁶ its error is relative.
    let exponents = (0..<100_003).map { -87 * Float($0) / 100_002 }
    let backend = try CPUBackend(threads: 1, instructionSet: set)
    let input = HostMatrix(rows: exponents.count, columns: 2, values: exponents.flatMap { [$0, 0] })
    let output = try backend.makeMatrix(rows: exponents.count, columns: 2)
    try backend.softmax(Softmax(input: input.upload(to: backend), output: output))
    let values = try HostMatrix.download(output, from: backend)
    var worst = 0.0
    for (row, x) in exponents.enumerated() {
      let expected = exp(Double(x)) / (1 + exp(Double(x)))
      worst = max(worst, abs(Double(values[row, 0]) / expected - 1))
    }
    // e^x to 1.5 units in the last place, a sum, a reciprocal and a product, half a unit each.
    #expect(worst <= 3 * 0x1p-23)
  }

  @Test(arguments: CPUBackend.availableInstructionSets)
  func exponentialsVanishAndNaNStays(_ set: InstructionSet) throws {
    let backend = try CPUBackend(threads: 1, instructionSet: set)
    let rows: [[Float]] = [
      [0, -104.5, -.infinity, -3e38, -1e10], [-2e38, -2e38, -3e38, -2e38, -2e38], [0, .nan, 1, 2, 3],
    ]
    let input = HostMatrix(rows: 3, columns: 5, values: rows.flatMap { $0 })
    let output = try backend.makeMatrix(rows: 3, columns: 5)
    try backend.softmax(Softmax(input: input.upload(to: backend), output: output))
    let values = try HostMatrix.download(output, from: backend)
    #expect(values.rows(0..<1).values == [1, 0, 0, 0, 0])
    #expect(values.rows(1..<2).values == [0.25, 0.25, 0, 0.25, 0.25])
    #expect(values.rows(2..<3).values.allSatisfy { $0.isNaN })
  }

  @Test(arguments: CPUBackend.availableInstructionSets, Activation.allCases)
  func activationsKeepNaN(_ set: InstructionSet, _ activation: Activation) throws {
    let backend = try CPUBackend(threads: 1, instructionSet: set)
    let input = HostMatrix(rows: 1, columns: 19, repeating: .nan)
    let output = try backend.makeMatrix(rows: 1, columns: 19)
    try backend.activate(Activate(activation, input: input.upload(to: backend), output: output))
    #expect(try HostMatrix.download(output, from: backend).values.allSatisfy { $0.isNaN })
  }
}
