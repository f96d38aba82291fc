import Compute
import ComputeOpenCL
import OpenCLRuntime
import TestSupport
import Testing

@testable import ComputeCPU

/// A backend of this machine, as an argument of tests.
enum TestBackend: Sendable, Hashable, CustomTestStringConvertible {
  case cpu(InstructionSet, Precision)
  /// bfloat16 products of pairs, emulated where the instruction set has none: what the best processors do.
  case cpuPairs(InstructionSet)
  /// The machine's first OpenCL device.
  case openCL(KernelVariant, Precision)

  /// Every backend that this machine can run.
  static let available: [TestBackend] =
    (TestDevice.isAlone ? [] : CPUBackend.availableInstructionSets).flatMap { instructionSet in
      Precision.allCases.map { .cpu(instructionSet, $0) } + [.cpuPairs(instructionSet)]
    }
    + TestDevice.variants.flatMap { variant in Precision.allCases.map { .openCL(variant, $0) } }

  /// Each backend is opened once for the whole run.
  private static let opened: [TestBackend: any Backend] = Dictionary(
    uniqueKeysWithValues: available.compactMap { backend in
      (try? backend.open(threads: nil)).map { (backend, $0) }
    })

  /// The backend itself, shared by all tests; throws why it could not be opened.
  func open() throws -> any Backend {
    if let backend = Self.opened[self] { return backend }
    return try open(threads: nil)
  }

  /// A backend of its own; the CPU's with so many threads.
  func open(threads: Int?) throws -> any Backend {
    switch self {
    case .cpu(let instructionSet, let precision):
      try CPUBackend(precision: precision, threads: threads, instructionSet: instructionSet)
    case .cpuPairs(let instructionSet):
      try CPUBackend(precision: .bf16, threads: threads, instructionSet: instructionSet, multipliesPairs: true)
    case .openCL(let variant, let precision):
      try TestDevice.backend(variant, precision)
    }
  }

  var precision: Precision {
    switch self {
    case .cpu(_, let precision): precision
    case .cpuPairs: .bf16
    case .openCL(_, let precision): precision
    }
  }

  var testDescription: String {
    switch self {
    case .cpu(let instructionSet, let precision): "cpu \(instructionSet) \(precision)"
    case .cpuPairs(let instructionSet): "cpu \(instructionSet) bf16 pairs"
    case .openCL(let variant, let precision): "opencl \(variant) \(precision)"
    }
  }
}
