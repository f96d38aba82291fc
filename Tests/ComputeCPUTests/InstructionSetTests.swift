import Compute
import Failures
import Testing

@testable import ComputeCPU

@Suite struct InstructionSetTests {
  @Test func portableIsAlwaysThereAndFirst() {
    let available = CPUBackend.availableInstructionSets
    #expect(available.first == .portable)
    #expect(available == available.sorted())
  }

  @Test(arguments: CPUBackend.availableInstructionSets)
  func backendUsesTheSetAskedFor(_ set: InstructionSet) throws {
    let backend = try CPUBackend(threads: 3, instructionSet: set)
    #expect(backend.instructionSet == set)
    #expect(backend.threadCount == 3)
    #expect(backend.deviceDescription.hasSuffix(", \(set.rawValue), 3 threads"))
    #expect(try CPUBackend(threads: 1, instructionSet: set).deviceDescription.hasSuffix(", 1 thread"))
  }

  @Test func theBestIsTheDefault() throws {
    let best = try #require(CPUBackend.availableInstructionSets.last)
    #expect(try CPUBackend(threads: 1).instructionSet == best)
    #expect(try CPUBackend(threads: 1).threadCount == 1)
    #expect(try CPUBackend().threadCount >= 1)
  }

  @Test(arguments: InstructionSet.allCases.filter { !CPUBackend.availableInstructionSets.contains($0) })
  func setsThatTheMachineLacksAreRefused(_ set: InstructionSet) throws {
    let error = try #require(throws: BackendError.self) { _ = try CPUBackend(instructionSet: set) }
    #expect(error.code == .unavailable)
    #expect(error.description.contains("no \(set.rawValue) instructions") && error.description.contains("portable"))
  }

  @Test(arguments: [0, -1, 5_000])
  func numbersOfThreadsAreChecked(_ threads: Int) throws {
    let error = try #require(throws: BackendError.self) { _ = try CPUBackend(threads: threads) }
    #expect(error.code == .unavailable)
    #expect(error.description.contains("\(threads) threads"))
  }
}
