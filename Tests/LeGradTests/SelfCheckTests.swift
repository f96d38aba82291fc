import Compute
import ComputeCPU
import Failures
import OperationSamples
import TestSupport
import Testing
import VisionTransformer

@testable import LeGrad

@Suite struct SelfCheckTests {
  private func check(_ fault: FaultyBackend<CPUBackend>.Fault) throws -> (FaultyBackend<CPUBackend>, [OperationCheck]) {
    let tested = FaultyBackend(try CPUBackend(threads: 1), fault)
    let checks = try DeviceCheck.operations(
      of: GoldenModel.all[0].open(), reference: CPUBackend(threads: 1, instructionSet: .portable), tested: tested,
      timer: OperationTimer(repetitions: 1, burst: .zero))
    return (tested, checks)
  }

  @Test func aRightBackendIsGood() throws {
    let (_, checks) = try check(.none)
    for check in checks {
      #expect(check.verdict == .good, "\(check)")
      #expect(try #require(check.error) <= check.bound)
      #expect(try #require(check.seconds) > 0 && check.referenceSeconds > 0)
    }
  }

  @Test func everyOperationIsChecked() throws {
    let (tested, checks) = try check(.none)
    #expect(tested.called == Set(OperationName.numerical))
    // Weights and downloads have no check of their own: every product and every check needs them.
    let named = Set(checks.map(\.operation)).union([.prepare, .download])
    #expect(named == Set(OperationName.numerical))
    #expect(Set(checks.map { $0.operation.rawValue + $0.detail }).count == checks.count)
  }

  @Test(arguments: OperationName.numerical)
  func aWrongOperationIsReported(_ operation: OperationName) throws {
    let (_, checks) = try check(.wrong(operation))
    for check in checks where isTouched(check, by: operation) {
      guard case .wrong = check.verdict else {
        Issue.record("\(check) is not wrong")
        continue
      }
    }
    // What does not use it stays good.
    guard ![.upload, .download].contains(operation) else { return }
    for check in checks where !isTouched(check, by: operation) { #expect(check.verdict == .good, "\(check)") }
  }

  /// Which only totals close to zero show.
  @Test(arguments: [0, 1.01e-9, 1e-8, 1e-7])
  func aWrongGuardIsReported(_ guardValue: Double) throws {
    let found = try verdicts(.relevanceShare, .wrongGuard(guardValue))
    #expect(found.count == 2 && found.allSatisfy { $0 == .wrong("wrong values") }, "\(found)")
    #expect(try verdicts(.relevanceShare, .wrongGuard(1e-9)).allSatisfy { $0 == .good })
  }

  @Test(arguments: [OperationName.matmul, .layerNorm, .attentionRelevance])
  func whatIsNotANumberIsReported(_ operation: OperationName) throws {
    let (_, checks) = try check(.notANumber(operation))
    for check in checks where check.operation == operation {
      #expect(check.verdict == .wrong("values that are not numbers"))
    }
  }

  @Test(arguments: [OperationName.matmul, .softmax])
  func resultsThatChangeAreReported(_ operation: OperationName) throws {
    #expect(try verdicts(operation, .unsteady(operation)).first == .wrong("another result when repeated"))
  }

  /// What is said of one operation's samples for one image and one prompt.
  private func verdicts(
    _ operation: OperationName, _ fault: FaultyBackend<CPUBackend>.Fault
  ) throws -> [CheckVerdict] {
    let sizes = SampleSizes(try GoldenModel.all[0].open().configuration, images: 1, prompts: 1)
    let comparison = OperationComparison(
      reference: try CPUBackend(threads: 1), tested: FaultyBackend(try CPUBackend(threads: 1), fault),
      timer: OperationTimer(repetitions: 1, burst: .zero))
    return try sizes.everySample.filter { $0.operation == operation }.map { try comparison.check($0).verdict }
  }

  @Test(arguments: [OperationName.matmul, .prepare, .gatherRows])
  func aRefusedOperationIsReportedAndTheRestGoesOn(_ operation: OperationName) throws {
    let (_, checks) = try check(.refused(operation))
    for check in checks {
      #expect(
        check.verdict == (isTouched(check, by: operation) ? .failed("the device is on strike") : .good), "\(check)")
      #expect((check.seconds == nil) == isTouched(check, by: operation))
    }
  }

  private func isTouched(_ check: OperationCheck, by operation: OperationName) -> Bool {
    switch operation {
    case .download: true
    case .prepare: check.operation == .matmul
    case .copy: [.copy, .rotate].contains(check.operation)
    default: check.operation == operation
    }
  }

  @Test(arguments: [
    (OperationName.attentionRelevance, CheckVerdict.wrong("wrong relevance")),
    (.layerNormBackward, .wrong("wrong relevance")),
  ])
  func aWrongExplanationIsReported(_ operation: OperationName, verdict: CheckVerdict) throws {
    let reference = try CPUBackend()
    func check(_ fault: FaultyBackend<CPUBackend>.Fault) throws -> ExplanationCheck {
      try ExplanationCheck(
        Model.demo(), DemoPicture.all()[0], reference: reference, tested: FaultyBackend(reference, fault))
    }
    let good = try check(.none)
    #expect(good.verdict == .good && good.disagreement?.error == 0)
    #expect(try check(.wrong(operation)).verdict == verdict)
    guard case .failed(let problem) = try check(.refused(operation)).verdict else {
      Issue.record("a refusal is a failure")
      return
    }
    #expect(problem.description.contains("the device is on strike"))
  }
}

@Suite struct OperationErrorTests {
  @Test func equalResultsHaveNone() {
    let error = OperationError([[1, -2, 0]], [[1, -2, 0]])
    #expect(error.meanSquare == 0 && error.largest == 0 && error.fault(bound: 1e-10) == nil)
    #expect(OperationError([[0, 0]], [[0, 0]]).fault(bound: 1e-10) == nil)
  }

  @Test func theWorstResultCounts() {
    let error = OperationError([[1, 2], [1, 1.5]], [[1, 2], [1, 1]])
    #expect(abs(error.meanSquare - 0.125) < 1e-12 && abs(error.largest - 0.5) < 1e-12)
    #expect(error.fault(bound: 1e-4) == "wrong values")
  }

  /// One element of a million, which no mean shows.
  @Test func oneWrongValueIsFound() {
    var actual = [Float](repeating: 1, count: 1_000_000)
    let expected = actual
    actual[77] = 1.9
    let error = OperationError([actual], [expected])
    #expect(error.meanSquare < 1e-5)
    #expect(error.fault(bound: 1e-5) == "a wrong value")
  }

  @Test(arguments: [Float.nan, .infinity, -.infinity])
  func whatIsNotANumberIsFound(_ value: Float) {
    for position in 0..<3 {
      var actual: [Float] = [1, 2, 3]
      actual[position] = value
      #expect(OperationError([actual, [1]], [[1, 2, 3], [1]]).fault(bound: 1e-4) != nil)
      #expect(OperationError([[1], actual], [[1], [1, 2, 3]]).fault(bound: 1e-4) != nil)
    }
    #expect(OperationError([[value]], [[0]]).fault(bound: 1e-4) != nil)
  }
}

@Suite struct DisagreementTests {
  private func explanation(_ relevance: [Float]) -> Explanation {
    let text = TextEmbeddings(prompts: ["a"], width: 1, unitRows: [1])
    return Explanation(
      MethodRequest(method: .legrad(), blocks: 0..<1, prompts: 1), layerRelevance: relevance, embedding: [1],
      grid: Grid(height: 2, width: 2), text: text, inputHeight: 4, inputWidth: 4)
  }

  @Test func isAShareOfTheMaximum() {
    let expected = explanation([0, 1, 2, 4])
    let same = expected.disagreement(with: expected, precision: .f32)
    #expect(same.error == 0 && same.isTolerable && same.measure == .relevance && same.bound == 1e-4)
    let off = explanation([0, 1, 2.001, 4]).disagreement(with: expected, precision: .f32)
    #expect(abs(off.error - 0.001 / 4) < 1e-7 && !off.isTolerable)
    #expect(explanation([0, 1, 2.0001, 4]).disagreement(with: expected, precision: .f32).isTolerable)
  }

  @Test(arguments: [(Precision.f16, Float(0.004), 3e-3), (.bf16, 0.03, 2e-2)])
  func comparesHeatmapsOf16Bits(_ precision: Precision, offset: Float, bound: Double) {
    let expected = explanation([0, 0.25, 0.5, 1])
    // A common factor does not change a heatmap.
    let scaled = explanation([0, 2, 4, 8]).disagreement(with: expected, precision: precision)
    #expect(scaled.error < 1e-6 && scaled.bound == bound && scaled.measure == .heatmap)
    let off = explanation([0, 0.25 + offset, 0.5, 1]).disagreement(with: expected, precision: precision)
    #expect(!off.isTolerable && off.error > bound)
    #expect(
      explanation([0, 0.25 + offset / 4, 0.5, 1]).disagreement(with: expected, precision: precision).isTolerable)
  }

  @Test func zeroMapsAgreeWithNothingElse() {
    let zero = explanation([0, 0, 0, 0])
    #expect(zero.disagreement(with: zero, precision: .f32).isTolerable)
    #expect(!explanation([0, 0, 1, 0]).disagreement(with: zero, precision: .f32).isTolerable)
    #expect(!explanation([0, .nan, 1, 0]).disagreement(with: zero, precision: .f32).isTolerable)
  }
}
