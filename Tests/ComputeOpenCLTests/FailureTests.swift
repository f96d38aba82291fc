import CFaultyOpenCL
import Compute
import Failures
import OpenCLRuntime
import TestSupport
import Testing

@testable import ComputeOpenCL
@testable import LeGrad

extension DriverTests {
  /// Every call of the driver that a piece of work makes, failing in turn: an error in one line or the right result,
  /// nothing left behind, and the right result afterwards.
  ///
  /// Each call is failed alone and, at fewer places, with all that follow it, as when a device is lost. Of an explanation
  /// these are all calls, except that nine in ten set a kernel's argument, which is handled in one place: of them every
  /// `step`-th is failed. Loading takes longer: of its calls every `step`-th is failed, and of each name the first two
  /// and the last. Steps are primes, so that they meet every position in a repeated sequence.
  @Suite(OwnProgramCache()) struct FailureTests {
    private func ending<Value>(
      failing: ClosedRange<Int>, _ body: () throws -> Value
    ) -> Result<Value, any Error> {
      WatchedOpenCL.watch(failing: failing) { Result { try body() } }.result
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

    /// Every call, but of those that set an argument every `step`-th.
    private func everyCall(of calls: [String], step: Int) -> [Int] {
      calls.indices.filter { calls[$0] != "clSetKernelArg" || $0 % step == 0 }
    }

    /// Every `step`-th call, and of each name the first two and the last.
    private func someCalls(of calls: [String], step: Int) -> [Int] {
      var numbers = Set(stride(from: 0, to: calls.count, by: step))
      for places in Dictionary(grouping: calls.indices, by: { calls[$0] }).values {
        numbers.formUnion(places.prefix(2) + places.suffix(1))
      }
      return numbers.sorted()
    }

    private static let toTheEnd = Int(Int32.max)

    /// One image and one prompt on matrix units, in whose products alone that variant differs from the others: what
    /// stands in for their instructions takes PoCL ten times as long as all other kernels.
    private func work(_ variant: KernelVariant) throws -> TinyWork {
      try variant == .matrix ? TinyWork(images: 1, prompts: 1) : TinyWork()
    }

    // MARK: Explaining

    private enum Setting: CaseIterable {
      case resident, streaming, profiling

      func apply(_ options: inout OpenCLBackend.Options) {
        options.streamsWeights = self == .streaming
        options.profiles = self == .profiling
      }

      func step(_ variant: KernelVariant) -> Int { self == .resident && variant == .cpu ? 3 : 31 }
    }

    @Test(arguments: KernelVariant.allCases, Setting.allCases)
    private func everyCallOfAnExplanation(_ variant: KernelVariant, _ setting: Setting) throws {
      // Streaming and profiling are the queue's, whatever the kernels.
      guard variant != .matrix || setting == .resident else { return }
      let work = try TinyWork()
      let (explainer, backend) = try work.explainer(variant) { setting.apply(&$0) }
      let reference = try work.explain(explainer)
      // What takes over from a batch that exceeds the memory: each image alone, with kernels of its own.
      for image in work.images { _ = try explainer.explain([image], text: work.text) }

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
        case .success(let result): #expect(result.hasBits(of: reference), "\(label)")
        case .failure(let error): expectClean(error, label)
        }
        #expect(try work.explain(explainer).hasBits(of: reference), "after \(label)")
        #expect(WatchedOpenCL.liveObjects == steady.0, "after \(label)")
        // Where memory failed, fewer blocks are joined from then on.
        #expect(backend.memory.bytes <= steady.1, "after \(label)")
      }
      for number in everyCall(of: counts.calls, step: setting.step(variant)) { try check(number...number) }
      for number in stride(from: 0, to: counts.calls.count, by: 101) { try check(number...Self.toTheEnd) }
      forget()
      #expect(try work.explain(explainer).hasBits(of: reference) && backend.memory.bytes == steady.1)
    }

    /// Three batches: one by one, recorded, and enqueued at once. What fails while it is recorded is done one by one.
    @Test(arguments: KernelVariant.allCases)
    func everyCallOfARecording(_ variant: KernelVariant) throws {
      guard try WatchedOpenCL.device().hasCommandBuffers else { return }
      let work = try work(variant)
      let reference = try work.explain(work.explainer(variant).explainer)
      let (before, batches) = (WatchedOpenCL.liveObjects, 3)
      func run(
        failing: ClosedRange<Int>? = nil
      ) throws -> (counts: WatchedOpenCL.Counts, result: Result<Void, any Error>) {
        let (explainer, _) = try work.explainer(variant) {
          $0.commandBuffers = true
          $0.triesCommandBuffers = false
        }
        let (result, counts) = WatchedOpenCL.watch(failing: failing) {
          Result<Void, any Error> {
            for _ in 0..<batches {
              let result = try work.explain(explainer)
              #expect(result.hasBits(of: reference))
            }
          }
        }
        // Whatever failed, the next batches are right.
        for _ in 0..<batches { #expect(try work.explain(explainer).hasBits(of: reference)) }
        return (counts, result)
      }
      let counts = try run().counts
      #expect(counts.calls(named: "clEnqueueCommandBufferKHR") == 2)
      #expect(WatchedOpenCL.liveObjects == before)
      var numbers: [Int] = []
      for (name, places) in Dictionary(grouping: counts.calls.indices, by: { counts.calls[$0] }) {
        let step = name == "clSetKernelArg" ? 211 : places.count > 20 ? 13 : 1
        numbers += stride(from: 0, to: places.count, by: step).map { places[$0] } + places.suffix(1)
      }
      var recoveries = 0
      for number in numbers.sorted() {
        let label = "\(counts.calls[number]), call \(number) of \(counts.calls.count)"
        switch try run(failing: number...number).result {
        case .success: if counts.calls[number].hasSuffix("KHR") { recoveries += 1 }
        case .failure(let error):
          expectClean(error, label)
          #expect(!counts.calls[number].hasSuffix("KHR"), "\(label): \(error)")
        }
        #expect(WatchedOpenCL.liveObjects == before, "after \(label)")
      }
      #expect(recoveries >= 5)
      let first = try #require(counts.calls.firstIndex(of: "clCreateCommandBufferKHR"))
      if case .failure(let error) = try run(failing: first...Self.toTheEnd).result { expectClean(error, "no call") }
    }

    /// The trial of command buffers: an error, or a verdict that says what failed.
    @Test func callsOfACommandBuffersTrial() throws {
      var options = OpenCLBackend.Options()
      options.cacheFolder = OwnProgramCache.folder
      let device = try WatchedOpenCL.device()
      guard device.hasCommandBuffers else { return }
      func run() throws -> KernelTrial.Verdict {
        try Trial.finding(of: .recording(.cpu), on: device, options).verdict
      }
      guard case .works = try run() else {
        Issue.record("recorded kernels do not compute right here: \(try run())")
        return
      }
      let (_, counts) = try WatchedOpenCL.watch { try run() }
      for number in someCalls(of: counts.calls, step: 41) {
        let label = "\(counts.calls[number]), call \(number) of \(counts.calls.count)"
        switch ending(failing: number...number, { try run() }) {
        case .success(.refused(let reason)): #expect(!reason.contains("\n") && !reason.isEmpty, "\(label): \(reason)")
        case .success: break
        case .failure(let error): #expect(error is BackendError && !"\(error)".contains("\n"), "\(label): \(error)")
        }
        #expect(WatchedOpenCL.liveObjects == nothing, "after \(label)")
      }
    }

    /// The text tower: loading, running and dropping it.
    @Test(arguments: KernelVariant.allCases)
    func everyCallOfEncodingPrompts(_ variant: KernelVariant) throws {
      let work = try TinyWork()
      let (explainer, backend) = try work.explainer(variant)
      func encode() throws -> [UInt32] {
        try explainer.encode(["two red circles", "the sky"]).values.map(\.bitPattern)
      }
      let reference = try encode()
      let (_, counts) = try WatchedOpenCL.watch { try encode() }
      let steady = (WatchedOpenCL.liveObjects, backend.memory.bytes)
      for number in everyCall(of: counts.calls, step: 41) {
        let label = "\(counts.calls[number]), call \(number) of \(counts.calls.count)"
        switch ending(failing: number...number, { try encode() }) {
        case .success(let bits): #expect(bits == reference, "\(label)")
        case .failure(let error): expectClean(error, label)
        }
        #expect(WatchedOpenCL.liveObjects == steady.0 && backend.memory.bytes == steady.1, "after \(label)")
      }
      #expect(try encode() == reference)
    }

    // MARK: Loading

    /// Devices behind the watched calls, as the façade finds them.
    private func devices() -> Devices { Devices { () throws(OpenCLError) in try WatchedOpenCL.library.get() } }

    private func load(_ work: TinyWork, change: (inout Explainer.Options) -> Void) throws -> Explainer {
      var options = Explainer.Options()
      options.threads = 2
      options.cacheFolder = OwnProgramCache.folder
      change(&options)
      return try Explainer(work.model, options: options, devices: devices())
    }

    private let nothing = [
      "contexts": 0, "queues": 0, "buffers": 0, "programs": 0, "kernels": 0, "events": 0, "command buffers": 0,
    ]

    /// From the search for devices to the last weight, and the explanation after it, as a device does it that has
    /// memory for the weights, or not. Programs come from disk.
    @Test(arguments: [
      (KernelVariant.cpu, nil as Int?), (.portable, nil), (.matrix, nil), (.cpu, TinyWork.streamingLimit),
    ])
    func callsOfLoading(_ variant: KernelVariant, _ memoryLimit: Int?) throws {
      let work = try work(variant)
      func run() throws -> TinyWork.Result {
        let explainer = try load(work) {
          $0.device = .openCL
          $0.kernelVariant = variant
          $0.precision = variant.finestPrecision
          $0.memoryLimit = memoryLimit
        }
        #expect(explainer.device.isStreaming || memoryLimit == nil)
        return try work.explain(explainer)
      }
      let reference = try run()
      let (again, counts) = try WatchedOpenCL.watch { try run() }
      #expect(again.hasBits(of: reference))
      #expect(WatchedOpenCL.liveObjects == nothing)
      func check(_ failing: ClosedRange<Int>) {
        let label = "\(counts.calls[failing.lowerBound]), call \(failing.lowerBound) of \(counts.calls.count)"
        switch ending(failing: failing, { try run() }) {
        case .success(let result): #expect(result.hasBits(of: reference), "\(label)")
        case .failure(let error): expectClean(error, label)
        }
        #expect(WatchedOpenCL.liveObjects == nothing, "after \(label)")
      }
      for number in someCalls(of: counts.calls, step: 31) { check(number...number) }
      for number in stride(from: 0, to: counts.calls.count, by: 211) { check(number...Self.toTheEnd) }
      #expect(try run().hasBits(of: reference))
    }

    /// The trial of the variants: an error, or a variant that computes right.
    @Test func callsOfATrial() throws {
      var options = OpenCLBackend.Options()
      options.cacheFolder = OwnProgramCache.folder
      let device = try WatchedOpenCL.device()
      func run() throws -> KernelVariant { try VariantSelection.best(for: device, options: options) }
      _ = try run()
      let (_, counts) = try WatchedOpenCL.watch { try run() }
      for number in someCalls(of: counts.calls, step: 41) {
        let label = "\(counts.calls[number]), call \(number) of \(counts.calls.count)"
        if case .failure(let error) = ending(failing: number...number, { try run() }) {
          #expect(error is OpenCLError || error is BackendError, "\(label): \(error)")
          #expect(!"\(error)".contains("\n"), "\(label): \(error)")
        }
        #expect(WatchedOpenCL.liveObjects == nothing, "after \(label)")
      }
    }

    // MARK: What takes over

    /// A GPU that was chosen automatically and fails at any call: there is always an answer, from the device or, as
    /// another device may differ, from the processor.
    @Test func anAutomaticChoiceAlwaysAnswers() throws {
      legrad_faulty_pose_as_gpu(true)
      defer { legrad_faulty_pose_as_gpu(false) }
      let work = try TinyWork()
      func run() throws -> (result: TinyWork.Result, device: DeviceDescription) {
        let explainer = try load(work) { $0.kernelVariant = .cpu }
        return (try work.explain(explainer), explainer.device)
      }
      let native = try work.explain(load(work) { $0.device = .cpu })
      let reference = try run()
      #expect(reference.device.backend == .openCL && reference.result.isClose(to: native))
      let (_, counts) = try WatchedOpenCL.watch { try run() }
      var takeovers = 0
      func check(_ failing: ClosedRange<Int>) {
        let label = "\(counts.calls[failing.lowerBound]), call \(failing.lowerBound) of \(counts.calls.count)"
        switch ending(failing: failing, { try run() }) {
        case .success(let ended):
          let isNative = ended.device.backend == .native
          if isNative { takeovers += 1 }
          #expect(ended.result.hasBits(of: isNative ? native : reference.result), "\(label)")
          #expect(!ended.device.reason.description.contains("\n"), "\(label): \(ended.device.reason)")
        case .failure(let error): Issue.record("\(label): \(error)")
        }
        #expect(WatchedOpenCL.liveObjects == nothing, "after \(label)")
      }
      for number in someCalls(of: counts.calls, step: 53) { check(number...number) }
      for number in stride(from: 0, to: counts.calls.count, by: 211) { check(number...Self.toTheEnd) }
      #expect(takeovers > counts.calls.count / 211)
    }

    /// A device that was asked for by name, gone for one explanation: an error, and it is there for the next.
    @Test func aDeviceThatComesBackIsUsedAgain() throws {
      let work = try TinyWork()
      let explainer = try load(work) {
        $0.device = .openCL
        $0.kernelVariant = .cpu
      }
      let reference = try work.explain(explainer)
      let (_, counts) = try WatchedOpenCL.watch { try work.explain(explainer) }
      for number in stride(from: 0, to: counts.calls.count, by: 211) {
        let label = "\(counts.calls[number]), call \(number) of \(counts.calls.count)"
        switch ending(failing: number...Self.toTheEnd, { try work.explain(explainer) }) {
        case .success: Issue.record("an answer without a device: \(label)")
        case .failure(let error): expectClean(error, label)
        }
        #expect(try work.explain(explainer).hasBits(of: reference), "after \(label)")
        #expect(explainer.device.backend == .openCL)
      }
    }
  }
}
