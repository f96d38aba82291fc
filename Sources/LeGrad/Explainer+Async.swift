import Dispatch

// The async forms of what takes long. They compute on a thread that may block, none of the few that tasks share.

extension Explainer {
  /// Loads the vision tower onto a device.
  public convenience init(_ model: Model, options: Options = Options()) async throws(LeGradError) {
    let options = options.withThreadBudget()
    let room = try await onItsOwnThread { () throws(LeGradError) in
      try EngineRoom(model.source, options: options, devices: .found(options))
    }
    self.init(model, options: options, room: room)
  }

  /// Unit embeddings of prompts, as the blocking form of this name gives them.
  public func encode(_ prompts: [String]) async throws(LeGradError) -> TextEmbeddings {
    try await onItsOwnThread { () throws(LeGradError) in try self.encode(prompts) }
  }

  /// Explains images of one size in one batch by several methods, as the blocking form of this name does.
  public func explain(
    _ images: [PreparedImage], text: TextEmbeddings?, methods: [Method], correction: EmptyTextCorrection? = nil
  ) async throws(LeGradError) -> [[Explanation]] {
    try await onItsOwnThread { () throws(LeGradError) in
      try self.explain(images, text: text, methods: methods, correction: correction)
    }
  }

  /// Explains images of one size in one batch by LeGrad, as the blocking form of this name does.
  public func explain(
    _ images: [PreparedImage], text: TextEmbeddings?, layers: LayerSelection = .last(2),
    correction: EmptyTextCorrection? = nil
  ) async throws(LeGradError) -> [Explanation] {
    try await explain(images, text: text, methods: [.legrad(layers: layers)], correction: correction).map { $0[0] }
  }
}

func onItsOwnThread<Result: Sendable>(
  _ work: @escaping @Sendable () throws(LeGradError) -> Result
) async throws(LeGradError) -> Result {
  let result: Swift.Result<Result, LeGradError> = await withCheckedContinuation { continuation in
    DispatchQueue.global().async {
      continuation.resume(returning: Swift.Result { () throws(LeGradError) in try work() })
    }
  }
  return try result.get()
}
