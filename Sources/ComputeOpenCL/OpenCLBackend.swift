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
    /// Whether it waits after every operation, so that an error names the one that failed.
    public var waitsAfterEveryOperation = false
    /// How kernels are tried on a device that was never seen; in this process if nil.
    public var trial: DeviceTrial?
    /// Told in one line when a trial begins.
    public var notify: (@Sendable (Message) -> Void)?

    /// Whether memory is counted and nothing is computed: what a run takes is known without it. Results mean nothing.
    package var countsMemoryAlone = false

    var folders: KernelLibrary.Folders { .init(cache: cacheFolder, kernels: kernelFolder) }

    /// How the portable product is unrolled; what is faster on the device if nil.
    var unrolling: PortableTile.Unrolling?

    public init() {}
  }

  public let device: OpenCLDevice
  public let precision: Precision
  public let variant: KernelVariant
  public let streamsWeights: Bool
  /// Of the portable product.
  let unrolling: PortableTile.Unrolling
  let memory: DeviceMemory
  let registry = WeightRegistry()
  private let stream: Mutex<CommandStream>
  private let waitsAfterEveryOperation: Bool
  private let counters = Mutex(Traffic())

  /// - Throws: `unavailable` where the device cannot be used, with the driver's own words.
  public init(
    _ device: OpenCLDevice, precision: Precision = .f32, options: Options = Options()
  ) throws(BackendError) {
    self.device = device
    self.precision = precision
    waitsAfterEveryOperation = options.waitsAfterEveryOperation
    if let variant = options.variant {
      try VariantSelection.check(variant, for: device, options: options)
      self.variant = variant
    } else {
      variant = try VariantSelection.choose(for: device, options: options)
    }
    unrolling =
      self.variant == .portable && !options.countsMemoryAlone
      ? try UnrollingSelection.choose(for: device, options: options)
      : .all
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
    }
    return traffic
  }

  public var peakBytes: Int? { memory.peak }

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
