import Compute
import ComputeCPU
import Testing

/// A backend of this machine, as an argument of tests.
enum TestBackend: Sendable, Hashable, CustomTestStringConvertible {
  case cpu(InstructionSet, Precision)

  /// Every backend that this machine can run.
  static let available: [TestBackend] = CPUBackend.availableInstructionSets.flatMap { instructionSet in
    Precision.allCases.map { .cpu(instructionSet, $0) }
  }

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

  /// A backend of its own with so many threads.
  func open(threads: Int?) throws -> any Backend {
    switch self {
    case .cpu(let instructionSet, let precision):
      try CPUBackend(precision: precision, threads: threads, instructionSet: instructionSet)
    }
  }

  var precision: Precision {
    switch self {
    case .cpu(_, let precision): precision
    }
  }

  var testDescription: String {
    switch self {
    case .cpu(let instructionSet, let precision): "cpu \(instructionSet) \(precision)"
    }
  }
}
