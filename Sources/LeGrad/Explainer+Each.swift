import Failures

extension Explainer {
  /// Explains images of one size in one batch, as `explain(_:text:methods:correction:)` does, such that an image whose
  /// numbers are not finite fails alone.
  ///
  /// Where there is one in the batch, every image is explained by itself, with the bits that it has in a batch.
  /// - Parameters:
  ///   - images: prepared by this explainer.
  ///   - text: what to look for; nil gives image embeddings without maps.
  ///   - methods: each checked against the model before anything is computed.
  ///   - correction: SigLIP's suppression of what a text without content lights up; see `correction(threshold:)`.
  ///   - isCancelled: asked before each block; `true` ends the call with an error of kind `cancelled`.
  /// - Returns: for each image an explanation by each method, or a failure of kind `numerical`.
  /// - Throws: what is no image's fault.
  public func explainEach(
    _ images: [PreparedImage], text: TextEmbeddings?, methods: [Method], correction: EmptyTextCorrection? = nil,
    isCancelled: @escaping @Sendable () -> Bool = { false }
  ) throws(LeGradError) -> [Result<[Explanation], LeGradError>] {
    do {
      return try explain(
        images, text: text, methods: methods, correction: correction, isCancelled: isCancelled
      ).map { .success($0) }
    } catch {
      guard error.kind == .numerical else { throw error }
      guard images.count > 1 else { return [.failure(error)] }
    }
    var results: [Result<[Explanation], LeGradError>] = []
    for image in images {
      results += try explainEach(
        [image], text: text, methods: methods, correction: correction, isCancelled: isCancelled)
    }
    return results
  }
}
