import Compute
import Failures
import OpenCLRuntime
import Synchronization
import VisionTransformer

/// The engine in use, and what it gives way to when the device cannot go on.
///
/// Short of memory, an OpenCL engine with all weights on the device gives way to one that streams them, and that one,
/// under an automatic choice, to the native CPU backend. Any other failure of an automatically chosen device also ends
/// at the CPU. A device that was asked for by name is never left.
final class EngineRoom: Sendable {
  struct Current: Sendable {
    let engine: any Engine
    let device: DeviceDescription
    let precision: Precision
    let rung: Rung
  }

  /// From the fastest to the one that always works.
  enum Rung: Sendable {
    case fixed
    case resident(OpenCLDevice)
    case streaming(OpenCLDevice)
    case native
  }

  private let source: any WeightSource
  private let options: Explainer.Options
  private let state: Mutex<Current>
  /// Held while an engine loads: other callers see the one before, and one engine loads at a time.
  private let loading = Mutex(())

  var current: Current { state.withLock { $0 } }

  /// Loads the model onto the one of `devices` that the options choose.
  init(
    _ source: any WeightSource, options: Explainer.Options, devices: @autoclosure () -> Devices
  ) throws(LeGradError) {
    self.source = source
    self.options = options
    let candidates = try options.device.resolve(devices(), options)
    state = Mutex(try EngineLoader(source: source, options: options).load(candidates))
  }

  /// One engine that nothing replaces, on a backend of the caller's.
  init(
    _ source: any WeightSource, options: Explainer.Options, backend: some Backend, device: DeviceDescription
  ) throws(LeGradError) {
    self.source = source
    self.options = options
    state = Mutex(try EngineLoader(source: source, options: options).load(on: backend, device, .fixed))
  }

  /// Runs `body` with the engine in use, and again with the one that replaces it when it fails for a reason that the
  /// next does not share.
  func run<Result>(
    _ body: (any Engine) throws(LeGradError) -> Result, canShrink: Bool = false
  ) throws(LeGradError) -> Result {
    while true {
      let used = current
      do { return try body(used.engine) } catch {
        guard !(canShrink && error.kind == .memory) else { throw error }
        guard let next = nextRung(after: used, error) else {
          guard error.kind == .memory, case .streaming(let device) = used.rung else { throw error }
          throw MemoryCount(source, options, device).explained(error, by: body)
        }
        try replace(used, with: next, because: error)
      }
    }
  }

  private func nextRung(after used: Current, _ error: LeGradError) -> Rung? {
    guard error.kind == .memory || error.kind == .device else { return nil }
    switch used.rung {
    // Without its weights, the engine is one whose successor could not be loaded the last time.
    case .resident(let device) where error.kind == .memory || !used.engine.isLoaded: return .streaming(device)
    case .resident, .streaming: return options.device == .auto ? .native : nil
    case .native, .fixed: return nil
    }
  }

  private func replace(_ used: Current, with next: Rung, because error: LeGradError) throws(LeGradError) {
    let loader = EngineLoader(source: source, options: options)
    let isNew = try loading.withLock { _ throws(LeGradError) in
      // Another caller may have met the same failure and be done.
      guard current.engine === used.engine else { return false }
      let loaded = try loader.load(next, because: error, instead: used)
      state.withLock { $0 = loaded }
      return true
    }
    if isNew { options.notify?("device: \(current.device.name) (\(current.device.reason))") }
  }
}
