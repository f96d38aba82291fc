import Compute
import Synchronization
import VisionTransformer

/// LRP or Partial-LRP in a run; both in one run are computed together.
struct LRPMethod<B: Backend>: ForwardMethod {
  private let propagation: RelevancePropagation<B>
  private let kind: MapKind
  /// Whether this is the one that has the work done.
  private let isFirst: Bool

  /// - Parameter kind: pixels for LRP, patches for Partial-LRP.
  init(_ kind: MapKind, _ run: inout RunPlan<B>) {
    var isFirst = false
    propagation = run.shared { run in
      isFirst = true
      return RelevancePropagation(&run)
    }
    self.isFirst = isFirst
    self.kind = kind
  }

  func prepare() throws(ModelError) { if isFirst { try propagation.prepare() } }

  func ask(_ text: ArraySlice<Float>, _ forward: SharedForward<B>) throws(BackendError) {
    if isFirst { try propagation.ask(text) }
  }

  func explain(_ images: ArraySlice<PreparedImage>, _ forward: SharedForward<B>) throws(ModelError) {
    if isFirst { try propagation.explain(images, checkCancellation: forward.checkCancellation) }
  }

  func collect(_ forward: SharedForward<B>) -> [[Float]] {
    propagation.maps.map { kind == .pixels ? $0.pixels : $0.patches }
  }
}
