import ImageFiles
import LeGrad

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

  /// Classifies the copies of those images that have some.
  func run(_ images: inout ArraySlice<EvaluatedImage>) throws(LeGradError) {
    let work = images.indices.filter { images[$0].failure == nil }.flatMap { copies(of: images[$0], place: $0) }
    guard !work.isEmpty else { return }
    var maker = CopyMaker()
    for first in stride(from: 0, to: work.count, by: batchSize) {
      // Copies of an image that has failed need not be made.
      let batch = work[first..<min(first + batchSize, work.count)].filter { images[$0.place].failure == nil }
      var pictures: [PreparedImage] = []
      for copy in batch {
        let picture = maker.picture(copy, of: images[copy.place])
        pictures.append(try run.explainer.prepare(picture, size: run.settings.size))
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

  /// Makes copies. They come in the order in which they share what is to be known of a map; the last is kept.
  private struct CopyMaker {
    private var key: (place: Int, method: Int, measure: Int)?
    private var make: ((Int) -> RGBImage)?

    mutating func picture(_ copy: Copy, of image: EvaluatedImage) -> RGBImage {
      guard let task = image.task, let squashed = image.squashed else {
        preconditionFailure("an image with copies has a task and a picture")
      }
      if let make, let key, key == (copy.place, copy.method, copy.measure) { return make(copy.number) }
      let heatmap = image.explanations[copy.method].heatmap(prompt: 0)
      let make = task.measures[copy.measure].copies(of: squashed, by: heatmap)
      (key, self.make) = ((copy.place, copy.method, copy.measure), make)
      return make(copy.number)
    }
  }
}
