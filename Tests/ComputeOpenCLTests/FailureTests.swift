import Compute
import OpenCLRuntime
import TestSupport
import Testing

@testable import ComputeOpenCL
@testable import LeGrad

extension DriverTests {
  /// Every call of the driver that a piece of work makes, failing in turn: an error in one line or the right result,
  /// nothing left behind, and the right result afterwards.
  ///
  /// Each call is failed alone and, at fewer places, with all that follow it, as when a device is lost. Setting a
  /// kernel's argument is by far the most frequent call and fails in one way; of repeated calls of one name the first,
  /// the second and the last are taken, and every `step`-th of all, where `step` is a prime.
  @Suite struct FailureTests {
    private enum Ending {
      case result(TinyWork.Result)
      case failure(any Error)
    }

    private func ending(
      failing: ClosedRange<Int>, _ body: () throws -> TinyWork.Result
    ) -> Ending {
      WatchedOpenCL.watch(failing: failing) {
        do { return Ending.result(try body()) } catch { return .failure(error) }
      }.result
    }

    /// Expects an error that says in one line what failed, of a kind that a caller can act on.
    private func expectClean(_ error: any Error, _ label: String) {
      let text = "\(error)"
      #expect(error is LeGradError || error is BackendError, "\(label): \(text)")
      #expect(!text.isEmpty && !text.contains("\n"), "\(label): \(text)")
      if let error = error as? LeGradError {
        #expect(error.kind == .device || error.kind == .memory, "\(label): \(text)")
      }
    }

    /// The calls to fail.
    private func chosen(of calls: [String], step: Int) -> [Int] {
      var places: [String: [Int]] = [:]
      for (number, name) in calls.enumerated() { places[name, default: []].append(number) }
      var numbers = Set(stride(from: 0, to: calls.count, by: step))
      for numbersOfName in places.values {
        numbers.formUnion(numbersOfName.prefix(2))
        numbers.formUnion(numbersOfName.suffix(1))
      }
      return numbers.sorted()
    }

    private static let toTheEnd = Int(Int32.max)

    // MARK: Explaining

    private enum Setting: CaseIterable {
      case resident, streaming, profiling

      func apply(_ options: inout OpenCLBackend.Options) {
        options.streamsWeights = self == .streaming
        options.profiles = self == .profiling
      }

      /// Every call but most settings of arguments, or a sample.
      var step: Int { self == .resident ? 7 : 31 }
    }

    @Test(arguments: KernelVariant.allCases, Setting.allCases)
    private func everyCallOfAnExplanation(_ variant: KernelVariant, _ setting: Setting) throws {
      let work = try TinyWork()
      let (explainer, backend) = try work.explainer(variant) { setting.apply(&$0) }
      let reference = try work.explain(explainer)

      // A failed run leaves no memory of a run behind, so that the next one takes its own: the longer way.
      func forget() {
        guard case .failure(let error) = ending(failing: 0...Self.toTheEnd, { try work.explain(explainer) }) else {
          Issue.record("an explanation without a device")
          return
        }
        expectClean(error, "no call succeeds")
      }
      forget()
      let (again, counts) = try WatchedOpenCL.watch { try work.explain(explainer) }
      #expect(again.hasBits(of: reference))
      let steady = (WatchedOpenCL.liveObjects, backend.memory.bytes)

      func check(_ failing: ClosedRange<Int>) throws {
        forget()
        let label = "\(counts.calls[failing.lowerBound]), call \(failing.lowerBound) of \(counts.calls.count)"
        switch ending(failing: failing, { try work.explain(explainer) }) {
        case .result(let result): #expect(result.hasBits(of: reference), "\(label)")
        case .failure(let error): expectClean(error, label)
        }
        #expect(try work.explain(explainer).hasBits(of: reference), "after \(label)")
        #expect(WatchedOpenCL.liveObjects == steady.0, "after \(label)")
        #expect(backend.memory.bytes == steady.1, "after \(label)")
      }
      for number in chosen(of: counts.calls, step: setting.step) { try check(number...number) }
      for number in stride(from: 0, to: counts.calls.count, by: 101) { try check(number...Self.toTheEnd) }
    }
  }
}
