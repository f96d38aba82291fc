import Compute
import Failures
import Synchronization
import VisionTransformer

/// A model on one backend, behind a type that does not name the backend: one call per batch.
protocol Engine: AnyObject, Sendable {
  var traffic: Traffic { get }
  /// The most bytes of device memory in use at once; nil where it is the process's own.
  var peakBytes: Int? { get }
  /// The bytes of device memory in use; nil where it is the process's own.
  var bytesInUse: Int? { get }
  /// Device time by kernel, where the backend keeps it.
  var profile: [String: KernelTime] { get }

  /// Arithmetic operations per second that the device reaches at best.
  func measurePeak() throws(BackendError) -> Double

  /// Explains a batch of equally sized images.
  /// - Parameters:
  ///   - text: unit rows `[prompts, embedding]`; empty for embeddings alone.
  ///   - isCancelled: asked before each block; `true` ends the call with an error.
  func explain(
    _ images: ArraySlice<PreparedImage>, shape: VisionShape, text: [Float], requests: [MethodRequest],
    isCancelled: @escaping @Sendable () -> Bool
  ) throws(ModelError) -> RunResult

  /// Unit rows of framed prompts.
  func encode(_ prompts: [[Int32]], source: any WeightSource, configuration: TextConfiguration)
    throws(ModelError) -> [Float]

  /// Runs work on the backend.
  func perform<Work: BackendWork>(_ work: Work) throws(BackendError) -> Work.Result

  /// Runs `body` and keeps what it asks of a backend that was made to be traced.
  func trace(_ body: () throws(LeGradError) -> Void) throws(LeGradError) -> [TracedOperation]

  /// Whether the weights are there.
  var isLoaded: Bool { get }
  /// Frees the weights. Calls that are under way finish; later ones fail.
  func unload()
}

/// Work that is written for any backend.
protocol BackendWork {
  associatedtype Result
  func run<B: Backend>(on backend: B) throws(BackendError) -> Result
}

/// The engine of one backend. Keeps the memory of the last run, which the next batch of the same shape and number of
/// prompts reuses.
final class BackendEngine<B: Backend>: Engine {
  private let source: any WeightSource
  private let backend: B
  private let loaded: Mutex<VisionTower<B>?>
  private let lastRun = Mutex<(key: RunKey, run: MethodRun<B>)?>(nil)

  private struct RunKey: Equatable {
    let shape: VisionShape
    let prompts: Int
    let requests: [MethodRequest]
  }

  /// - Parameters:
  ///   - vision: the weights of the vision tower, `source`'s if nil.
  ///   - prepare: what is done with the tower before it runs.
  init(
    _ source: any WeightSource, vision: (any WeightSource)? = nil, backend: B,
    prepare: (VisionTower<B>) -> Void = { _ in }
  ) throws(ModelError) {
    self.source = source
    self.backend = backend
    let tower = try VisionTower(vision ?? source, on: backend)
    prepare(tower)
    loaded = Mutex(tower)
  }

  var traffic: Traffic { backend.traffic }
  var peakBytes: Int? { backend.peakBytes }
  var bytesInUse: Int? { backend.bytesInUse }
  var profile: [String: KernelTime] { backend.profile }

  var isLoaded: Bool { loaded.withLock { $0 != nil } }

  func unload() {
    lastRun.withLock { $0 = nil }
    loaded.withLock { $0 = nil }
  }

  func measurePeak() throws(BackendError) -> Double { try backend.measurePeak() }

  func perform<Work: BackendWork>(_ work: Work) throws(BackendError) -> Work.Result { try work.run(on: backend) }

  func trace(_ body: () throws(LeGradError) -> Void) throws(LeGradError) -> [TracedOperation] {
    guard let tracer = backend as? any OperationTracer else {
      preconditionFailure("only a backend that was made for it is traced")
    }
    return try tracer.trace(body)
  }

  func explain(
    _ images: ArraySlice<PreparedImage>, shape: VisionShape, text: [Float], requests: [MethodRequest],
    isCancelled: @escaping @Sendable () -> Bool
  ) throws(ModelError) -> RunResult {
    guard let tower = loaded.withLock({ $0 }) else {
      throw .backend(BackendError(.unavailable, operation: .explain, "the device's weights were freed"))
    }
    let prompts = text.count / tower.embeddingWidth
    let key = RunKey(shape: shape, prompts: prompts, requests: requests)
    // Taken out while it runs: a second caller at the same time makes memory of its own.
    let kept = lastRun.withLock { last -> MethodRun<B>? in
      defer { last = nil }
      return last?.key == key ? last?.run : nil
    }
    let run: MethodRun<B>
    if let kept {
      run = kept
    } else {
      run = try MethodRun(tower: tower, source: source, shape: shape, prompts: prompts, requests: requests)
    }
    let result = try run.explain(images, text: text, isCancelled: isCancelled)
    lastRun.withLock { $0 = (key, run) }
    return result
  }

  func encode(
    _ prompts: [[Int32]], source: any WeightSource, configuration: TextConfiguration
  ) throws(ModelError) -> [Float] {
    do throws(ModelError) {
      return try TextTower(source, configuration: configuration, on: backend).encode(prompts)
    } catch {
      // The memory that is kept for the next batch may be what the text tower lacks.
      guard LeGradError(error).kind == .memory, lastRun.withLock({ $0 != nil }) else { throw error }
      lastRun.withLock { $0 = nil }
      return try TextTower(source, configuration: configuration, on: backend).encode(prompts)
    }
  }
}
