import Compute
import ComputeOpenCL
import OpenCLRuntime
import Synchronization
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
      Precision.allStored.map { .cpu(instructionSet, $0) } + [.cpuPairs(instructionSet)]
    }
    + TestDevice.kernels.map { .openCL($0.variant, $0.precision) }

  private struct Key: Hashable {
    let backend: TestBackend
    let threads: Int?
  }

  private static let opened = Mutex<[Key: any Backend]>([:])

  /// The backend itself, shared by all tests; the CPU's with so many threads.
  func open(threads: Int? = nil) throws -> any Backend {
    if case .openCL(let variant, let precision) = self { return try TestDevice.shared(variant, precision) }
    return try Self.opened.withLock { opened in
      let key = Key(backend: self, threads: threads)
      if let backend = opened[key] { return backend }
      let backend = try make(threads: threads)
      opened[key] = backend
      return backend
    }
  }

  /// A backend of its own.
  func make(threads: Int? = nil) throws -> any Backend {
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
