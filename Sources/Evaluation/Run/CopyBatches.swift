import Failures
import ImageFiles
import LeGrad
import Processes

/// Classifies the copies of images that measures ask for. Copies of several methods and images are computed together.
struct CopyBatches {
  let run: EvaluationRun

  /// Copies of one image.
  private var copies: Int {
    let kinds = run.settings.benchmark.measures.map { $0.reduce(0) { $0 + $1.copies } }
    return run.settings.methods.count * (kinds.max() ?? 0)
  }

  /// Images whose copies fill a batch.
  var imagesTogether: Int { copies == 0 ? 1 : max(1, run.settings.batchSize / copies) }

  /// Copies that are computed together: batches of one size, so that the memory of one serves the next.
  private var batchSize: Int {
    let limit = run.settings.batchSize
    guard limit < copies else { return imagesTogether * copies }
    return (1...limit).last { copies.isMultiple(of: $0) } ?? 1
  }

  /// A copy before it is made.
  private struct Copy {
    let place, method, measure, number: Int
  }

  /// Classifies the copies of those images that have some, until `isStopped` says that nobody wants them.
  func run(_ images: inout ArraySlice<EvaluatedImage>, _ isStopped: () -> Bool) throws(LeGradError) {
    let work = images.indices.filter { images[$0].failure == nil }.flatMap { copies(of: images[$0], place: $0) }
    guard !work.isEmpty else { return }
    var maker = CopyMaker(budget: run.explainer.threadBudget)
    for first in stride(from: 0, to: work.count, by: batchSize) {
      guard !isStopped() else { return }
      // Copies of an image that has failed need not be made.
      let batch = work[first..<min(first + batchSize, work.count)].filter { images[$0.place].failure == nil }
      let pictures = try maker.pictures(batch, of: images) { picture throws(LeGradError) in
        try run.explainer.prepare(picture, size: run.settings.size)
      }
      for (copy, result) in zip(batch, try run.embeddings(of: pictures)) {
        images[copy.place].take(result, on: run.explainer.device.arithmetic) {
          $0.answers.append(run.classifier.classify($1))
        }
      }
    }
  }

  /// All copies of the image at `place`: by method, by measure, by number.
  private func copies(of image: EvaluatedImage, place: Int) -> [Copy] {
    let measures = image.task?.measures ?? []
    return run.settings.methods.indices.flatMap { method in
      measures.indices.flatMap { measure in
        (0..<measures[measure].copies).map { Copy(place: place, method: method, measure: measure, number: $0) }
      }
    }
  }

  /// Makes copies, on all threads that are free. They come in the order in which they share what is to be known of a map,
  /// which is kept for the next batch.
  private struct CopyMaker {
    let budget: ThreadBudget
    private var makers: [Key: @Sendable (Int) -> RGBImage] = [:]

    private struct Key: Hashable {
      let place, method, measure: Int

      init(_ copy: Copy) { (place, method, measure) = (copy.place, copy.method, copy.measure) }
    }

    init(budget: ThreadBudget) { self.budget = budget }

    mutating func pictures(
      _ copies: [Copy], of images: ArraySlice<EvaluatedImage>,
      _ prepare: (RGBImage) throws(LeGradError) -> PreparedImage
    ) throws(LeGradError) -> [PreparedImage] {
      var keys: [Key] = []
      for copy in copies where keys.last != Key(copy) { keys.append(Key(copy)) }
      let missing = keys.filter { makers[$0] == nil }
      let made = budget.shared(missing.count) { Self.maker(missing[$0], of: images[missing[$0].place]) }
      makers = makers.filter { keys.contains($0.key) }
      for (key, maker) in zip(missing, made) { makers[key] = maker }
      let all = makers
      return try budget.shared(copies.count) { number in
        Result { () throws(LeGradError) in
          guard let make = all[Key(copies[number])] else { preconditionFailure("a copy has what makes it") }
          return try prepare(make(copies[number].number))
        }
      }.map { result throws(LeGradError) in try result.get() }
    }

    private static func maker(_ key: Key, of image: EvaluatedImage) -> @Sendable (Int) -> RGBImage {
      guard let task = image.task, let squashed = image.squashed else {
        preconditionFailure("an image with copies has a task and a picture")
      }
      let heatmap = image.explanations[key.method].heatmap(prompt: 0)
      return task.measures[key.measure].copies(of: squashed, by: heatmap)
    }
  }
}
