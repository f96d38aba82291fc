import ImageFiles
import LeGrad

/// Perturbs images and asks what is still recognised (methods §6.3): for every method and both directions, nine copies
/// with more and more black pixels. Copies of several methods and images are computed together.
struct PerturbationBatches {
  let run: EvaluationRun

  private var steps: Int { PerturbationSteps.shares.count }
  /// Copies of one image.
  private var copies: Int { run.settings.methods.count * 2 * steps }

  /// Images whose copies fill a batch.
  var imagesTogether: Int { max(1, run.settings.batchSize / copies) }

  /// Copies that are computed together: batches of one size, so that the memory of one serves the next.
  private var batchSize: Int {
    let limit = run.settings.batchSize
    guard limit < copies else { return imagesTogether * copies }
    return (1...limit).last { copies.isMultiple(of: $0) } ?? 1
  }

  /// A copy before it is made.
  private struct Copy {
    let place: Int
    let method: Int
    let isPositive: Bool
    let step: Int
  }

  /// Fills in the statistics of those images that are to be perturbed.
  func run(_ images: inout ArraySlice<EvaluatedImage>) throws(EvaluationError) {
    let places = images.indices.filter { images[$0].failure == nil && images[$0].tasks.contains(.perturbation) }
    guard !places.isEmpty else { return }
    let counts = PerturbationSteps.pixelCounts(of: run.width * run.height)
    var hits: [Int: [Bool]] = [:]
    var orders = OrderOfPixels()
    let work = places.flatMap(self.copies)
    for first in stride(from: 0, to: work.count, by: batchSize) {
      // Copies of an image that has failed need not be made.
      let batch = work[first..<min(first + batchSize, work.count)].filter { images[$0.place].failure == nil }
      var pictures: [PreparedImage] = []
      for copy in batch {
        let image = images[copy.place]
        let order = orders.order(of: image, place: copy.place, method: copy.method, isPositive: copy.isPositive)
        guard let picture = image.squashed?.blackened(order[..<counts[copy.step]]) else { continue }
        do { pictures.append(try run.explainer.prepare(picture, size: run.settings.size)) } catch { throw .init(error) }
      }
      for (copy, result) in zip(batch, try run.embeddings(of: pictures)) {
        switch result {
        case .success(let embedding):
          hits[copy.place, default: []].append(run.classifier.classify(embedding) == images[copy.place].classIndex)
          images[copy.place].computed(on: run.explainer.device.arithmetic)
        case .failure(let error): images[copy.place].fail(error)
        }
      }
    }
    for place in places where images[place].failure == nil {
      images[place].perturbations = statistics(of: images[place], hits: hits[place] ?? [])
    }
  }

  /// All copies of the image at `place`: by method, positive before negative, by step.
  private func copies(_ place: Int) -> [Copy] {
    run.settings.methods.indices.flatMap { method in
      [true, false].flatMap { isPositive in
        (0..<steps).map { Copy(place: place, method: method, isPositive: isPositive, step: $0) }
      }
    }
  }

  private func statistics(of image: EvaluatedImage, hits: [Bool]) -> [PerturbationStatistics] {
    run.settings.methods.indices.map { method in
      let first = method * 2 * steps
      return PerturbationStatistics(
        isHit: image.predicted == image.classIndex, positiveHits: Array(hits[first..<first + steps]),
        negativeHits: Array(hits[first + steps..<first + 2 * steps]))
    }
  }
}

/// The order in which pixels turn black. Copies come in the order in which they share one; the last is kept.
private struct OrderOfPixels {
  private var key: (place: Int, method: Int, isPositive: Bool)?
  private var pixels: [Int] = []

  mutating func order(of image: EvaluatedImage, place: Int, method: Int, isPositive: Bool) -> [Int] {
    if let key, key == (place, method, isPositive) { return pixels }
    pixels = PerturbationSteps.order(
      image.explanations[method].heatmap(prompt: 0).values, mostRelevantFirst: isPositive)
    key = (place, method, isPositive)
    return pixels
  }
}

extension RGBImage {
  /// The picture with some pixels black, by number from the top left.
  func blackened(_ places: some Sequence<Int>) -> RGBImage {
    var pixels = pixels
    for place in places {
      for channel in 0..<3 { pixels[place * 3 + channel] = 0 }
    }
    return RGBImage(width: width, height: height, pixels: pixels)
  }
}
