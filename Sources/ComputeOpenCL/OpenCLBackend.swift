public import Compute
public import Failures
public import OpenCLRuntime
import Synchronization

/// The operations on an OpenCL device.
///
/// Operations are enqueued on one in-order queue and have not run when they return; `download` and `synchronize`
/// wait. They may be called from several tasks: one is enqueued at a time. The same device, driver and build give the
/// same bits.
public final class OpenCLBackend: Backend {
  public typealias Buffer = OpenCLBuffer
  public typealias Weight = OpenCLWeight

  public struct Options: Sendable {
    /// Which kernels to run; the faster of those that compute right on the device if nil.
    public var variant: KernelVariant?
    /// Bytes of device memory to use at most; all that the device has if nil.
    public var memoryLimit: Int?
    /// Whether weights that have a group stay in host memory and go to the device when they are used, for models that
    /// exceed the device. The results are the same bits.
    public var streamsWeights = false
    /// Whether device time is kept per kernel. Launches get slower.
    public var profiles = false
    /// Where built kernels are kept for the next process; nowhere if nil. The folder may vanish at any time.
    public var cacheFolder: String?
    /// A folder whose `.cl` files are used instead of the embedded ones, for work on kernels.
    public var kernelFolder: String?
    /// A folder of programs that were compiled to PTX for this build's kernels, for NVIDIA's drivers that compile no
    /// matrix instructions themselves; what is in it is tried like all kernels.
    public var ptxFolder: String?
    /// Whether it waits after every operation, so that an error names the one that failed.
    public var waitsAfterEveryOperation = false
    /// Whether what repeats is recorded and enqueued at once, where the device has command buffers that compute right;
    /// where that is not slower if nil.
    public var commandBuffers: Bool?
    /// How kernels are tried on a device that was never seen; in this process if nil.
    public var trial: DeviceTrial?
    /// Told in one line when a trial begins.
    public var notify: (@Sendable (Message) -> Void)?

    /// Whether memory is counted and nothing is computed: what a run takes is known without it. Results mean nothing.
    package var countsMemoryAlone = false

    var folders: KernelLibrary.Folders { .init(cache: cacheFolder, kernels: kernelFolder, ptx: ptxFolder) }

    /// Whether command buffers are used untried.
    var triesCommandBuffers = true

    /// How the portable product is unrolled; what is faster on the device if nil.
    var unrolling: PortableTile.Unrolling?

    /// What the matrix variant multiplies with; what is right on the device if nil.
    var matrixSet: MatrixSet?

    /// The matrix variant's kernels of attention; those that are faster on the device if nil.
    var attentionKernels: AttentionKernels?

    public init() {}
  }

  public let device: OpenCLDevice
  public let precision: Precision
  public let variant: KernelVariant
  public let streamsWeights: Bool
  /// Of the portable product.
  let unrolling: PortableTile.Unrolling
  /// Of the matrix variant.
  let matrixSet: MatrixSet
  let attentionKernels: AttentionKernels
  let memory: DeviceMemory
  let registry = WeightRegistry()
  let shelves = WeightShelves()
  private let stream: Mutex<CommandStream>
  private let waitsAfterEveryOperation: Bool
  private let counters = Mutex(Traffic())
  /// Whether operations can be recorded; not any more once a driver has failed at it.
  private let records: Mutex<Bool>
  private let notify: (@Sendable (Message) -> Void)?

  /// - Throws: `unavailable` where the device cannot be used, with the driver's own words.
  public init(
    _ device: OpenCLDevice, precision: Precision = .f32, options: Options = Options()
  ) throws(BackendError) {
    self.device = device
    self.precision = precision
    waitsAfterEveryOperation = options.waitsAfterEveryOperation
    if let variant = options.variant {
      guard variant.takes(precision) else {
        throw BackendError(
          .unsupported, operation: .openCLBackend,
          "\(variant.rawValue) kernels multiply parts of 16 bits, of which \(precision.rawValue) has none",
          advice: "give \(Subject.precision) bf16-split, bf16 or f16, or leave \(Subject.kernelVariant) out")
      }
      try VariantSelection.check(variant, for: device, options: options)
      self.variant = variant
    } else {
      variant = try VariantSelection.choose(for: device, precision, options: options)
    }
    let tries = !options.countsMemoryAlone
    records = Mutex(tries ? try CommandBufferSelection.choose(for: device, self.variant, options: options) : false)
    notify = options.notify
    unrolling =
      self.variant == .portable && tries ? try UnrollingSelection.choose(for: device, options: options) : .all
    matrixSet =
      self.variant == .matrix && tries ? try MatrixSelection.choose(for: device, options: options).set : .plain
    attentionKernels =
      self.variant == .matrix && tries
      ? try AttentionSelection.choose(for: device, matrixSet, options: options) : .portable
    do {
      let context = try OpenCLContext(device)
      let memory = DeviceMemory(
        context, limit: options.memoryLimit, isCountedAlone: options.countsMemoryAlone)
      let queue = try OpenCLQueue(context, profiles: options.profiles)
      let streaming =
        options.streamsWeights ? try WeightStreaming(compute: queue, memory: memory, registry: registry) : nil
      let stream = CommandStream(
        queue, library: KernelLibrary(context, folders: options.folders), memory: memory, streaming: streaming)
      self.memory = memory
      streamsWeights = options.streamsWeights
      self.stream = Mutex(stream)
    } catch {
      throw BackendError(.unavailable, operation: .openCLBackend, "\(device.name): \(error)")
    }
  }

  public var deviceDescription: String {
    "\(device.name), OpenCL \(variant.rawValue), \(device.platform) \(device.driver)"
  }

  public var traffic: Traffic {
    var traffic = counters.withLock { $0 }
    stream.withLock { stream in
      traffic.streamedBytes = stream.streamedBytes
      traffic.waits = stream.waits
      traffic.launches = stream.launches
      traffic.enqueues = stream.enqueues
    }
    return traffic
  }

  public var peakBytes: Int? { memory.peak }
  public var bytesInUse: Int? { memory.bytes }

  public var profile: [String: KernelTime] { stream.withLock { $0.profile } }

  func count(_ change: (inout Traffic) -> Void) { counters.withLock { change(&$0) } }

  /// Enqueues one operation alone.
  func perform<Result>(
    _ operation: OperationName, _ body: (CommandStream) throws(OpenCLError) -> Result
  ) throws(BackendError) -> Result {
    do {
      return try stream.withLock { stream throws(OpenCLError) in
        // Weights are prepared one after another, with uploads of what is no weight between them.
        if operation != .prepare, operation != .upload { stream.freeStaging() }
        do throws(OpenCLError) {
          let result = try body(stream)
          if waitsAfterEveryOperation { try stream.finish() }
          return result
        } catch {
          // A load that fails leaves nothing behind.
          stream.freeStaging()
          throw error
        }
      }
    } catch { throw BackendError(error, operation: operation, device: device) }
  }

  /// Frees what loading needed where it is in the way of so many bytes.
  func makeRoom(for bytes: Int) {
    if bytes > memory.limit - memory.bytes { freeStaging() }
  }

  func freeStaging() { stream.withLock { $0.freeStaging() } }

  /// Whether operations can be recorded.
  public var usesCommandBuffers: Bool { records.withLock { $0 } }

  public func record(_ body: () throws(BackendError) -> Void) -> (any RecordedOperations)? {
    guard usesCommandBuffers else { return nil }
    do throws(BackendError) {
      let number = try perform(.record) { stream throws(OpenCLError) in try stream.beginRecording() }
      guard let number else { return nil }
      do throws(BackendError) { try body() } catch {
        try perform(.record) { stream throws(OpenCLError) in try stream.endRecording(succeeded: false) }
        throw error
      }
      try perform(.record) { stream throws(OpenCLError) in try stream.endRecording(succeeded: true) }
      return RecordedKernels(number: number, backend: self)
    } catch {
      stopRecording(error)
      return nil
    }
  }

  /// What was recorded, under its number in the stream.
  private final class RecordedKernels: RecordedOperations {
    private let number: Int
    private let backend: OpenCLBackend

    init(number: Int, backend: OpenCLBackend) {
      self.number = number
      self.backend = backend
    }

    deinit { backend.stream.withLock { [number] in $0.forget(number) } }

    func run() -> Bool {
      do throws(BackendError) {
        return try backend.perform(.record) { stream throws(OpenCLError) in try stream.replay(number) }
      } catch {
        backend.stopRecording(error)
        return false
      }
    }
  }

  /// Operations are enqueued one by one from now on, which is said once.
  private func stopRecording(_ error: BackendError) {
    let isFirst = records.withLock { records in
      defer { records = false }
      return records
    }
    if isFirst { notify?("kernels are enqueued one by one: \(error.reason)") }
  }

  public func synchronize() throws(BackendError) {
    try perform(.synchronize) { stream throws(OpenCLError) in try stream.finish() }
  }
}

extension BackendError {
  init(_ error: OpenCLError, operation: OperationName, device: OpenCLDevice, bytesNeeded: Int? = nil) {
    let code: Code
    let advice: Message?
    switch error.status {
    case let status where status.isLackOfMemory:
      code = .outOfMemory
      advice = "explain fewer images at once, or raise \(Subject.memoryLimit)"
    case .success:
      // Nothing that the driver said.
      code = .unavailable
      advice = nil
    case .buildProgramFailure:
      code = .unavailable
      advice = "try \(Subject.kernelVariant), or \(Subject.device) cpu"
    default:
      code = .launchFailed
      advice =
        "the failure is at this operation or before it, \(Subject.waitsAfterEveryOperation) tells; try \(Subject.device) cpu"
    }
    self.init(code, operation: operation, "\(device.name): \(error)", advice: advice, bytesNeeded: bytesNeeded)
  }
}
