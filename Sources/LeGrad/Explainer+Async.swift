import Dispatch
import Synchronization

// The async forms of what takes long. They compute on a thread that may block, none of the few that tasks share.

extension Explainer {
  /// Loads the vision tower onto a device.
  public convenience init(_ model: Model, options: Options = Options()) async throws(LeGradError) {
    let options = options.withThreadBudget()
    let room = try await onItsOwnThread { _ throws(LeGradError) in
      try EngineRoom(model.source, options: options, devices: .found(options))
    }
    self.init(model, options: options, room: room)
  }

  /// Unit embeddings of prompts, as the blocking form of this name gives them.
  public func encode(_ prompts: [String]) async throws(LeGradError) -> TextEmbeddings {
    try await onItsOwnThread { _ throws(LeGradError) in try self.encode(prompts) }
  }

  /// Explains images of one size in one batch by several methods, as the blocking form of this name does, until its task
  /// is cancelled.
  public func explain(
    _ images: [PreparedImage], text: TextEmbeddings?, methods: [Method], correction: EmptyTextCorrection? = nil
  ) async throws(LeGradError) -> [[Explanation]] {
    try await onItsOwnThread { cancellation throws(LeGradError) in
      try self.explain(
        images, text: text, methods: methods, correction: correction, isCancelled: { cancellation.isCancelled })
    }
  }

  /// Explains images of one size in one batch by LeGrad, as the blocking form of this name does, until its task is
  /// cancelled.
  public func explain(
    _ images: [PreparedImage], text: TextEmbeddings?, layers: LayerSelection = .last(2),
    correction: EmptyTextCorrection? = nil
  ) async throws(LeGradError) -> [Explanation] {
    try await explain(images, text: text, methods: [.legrad(layers: layers)], correction: correction).map { $0[0] }
  }
}

/// A wish of another thread that work may end early.
package final class Cancellation: Sendable {
  private let flag = Atomic(false)

  package init() {}

  package var isCancelled: Bool { flag.load(ordering: .relaxed) }
  package func cancel() { flag.store(true, ordering: .relaxed) }
}

/// - Parameters:
///   - cancellation: what the end of the task sets.
///   - work: is given `cancellation`.
func onItsOwnThread<Result: Sendable>(
  _ cancellation: Cancellation = Cancellation(),
  _ work: @escaping @Sendable (Cancellation) throws(LeGradError) -> Result
) async throws(LeGradError) -> Result {
  let result: Swift.Result<Result, LeGradError> = await withTaskCancellationHandler {
    await withCheckedContinuation { continuation in
      DispatchQueue.global().async {
        continuation.resume(returning: Swift.Result { () throws(LeGradError) in try work(cancellation) })
      }
    }
  } onCancel: {
    cancellation.cancel()
  }
  return try result.get()
}
