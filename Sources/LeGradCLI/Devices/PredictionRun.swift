import Compute
import LeGrad

/// Runs, times of stages and rates of the device in turn, so that all see the same machine.
struct PredictionRun {
  let explainer: Explainer
  let target: PredictionTarget
  let batches: [[PreparedImage]]
  let text: TextEmbeddings
  let method: Method
  let repetitions: Int

  private struct Turn {
    let seconds: Double
    let heatmapSeconds: Double
    let steps: [RunTrace.Step]
    let prediction: Prediction
  }

  func measure(size: String) throws -> PredictionReport {
    let rates = try rates()
    // Memory and kernels of a run are made in the first.
    _ = try explain()
    var turns: [Turn] = []
    var source: PredictedDevice?
    for _ in 0..<repetitions {
      let (seconds, heatmapSeconds) = try explain()
      let steps = try trace()
      let device = try rates()
      source = device
      turns.append(
        Turn(
          seconds: seconds, heatmapSeconds: heatmapSeconds, steps: steps, prediction: Prediction(steps, on: device)))
    }
    guard let device = source, let first = turns.first else { preconditionFailure("a benchmark has repetitions") }
    return PredictionReport(
      arch: explainer.model.name, method: method.name, images: batches.reduce(0) { $0 + $1.count }, prompts: text.count,
      size: size, precision: method.precisionName(on: explainer.precision), device: device.title,
      kernels: device.kernels?.rawValue ?? "", source: device.source, measuredDevice: explainer.device.name,
      parts: first.prediction.parts.indices.map { index in
        let part = first.prediction.parts[index]
        let predicted = median(turns.map { $0.prediction.parts[index].seconds })
        return PredictionReport.Part(
          part, predicted: predicted,
          measured: median(turns.map { $0.steps.filter { $0.stage == part.stage }.reduce(0) { $0 + $1.seconds } }))
      },
      predictedSeconds: median(turns.map(\.prediction.seconds)), launches: first.prediction.launches,
      launchSeconds: median(turns.map(\.prediction.launchSeconds)),
      stageSeconds: median(turns.map { $0.steps.reduce(0) { $0 + $1.seconds } }),
      measuredSeconds: median(turns.map(\.seconds)),
      predictedShare: median(turns.map { $0.prediction.seconds / $0.seconds }),
      heatmapSeconds: median(turns.map(\.heatmapSeconds)))
  }

  private func rates() throws -> () throws(LeGradError) -> PredictedDevice {
    switch target {
    case .known(let device, let kernels):
      let device = device.computing(in: explainer.precision, by: kernels)
      return { () throws(LeGradError) in device }
    case .this: return try explainer.prepareRates()
    }
  }

  private func trace() throws(LeGradError) -> [RunTrace.Step] {
    var steps: [RunTrace.Step] = []
    for batch in batches {
      steps += try explainer.trace(images: batch.count, width: batch[0].width, height: batch[0].height) {
        () throws(LeGradError) in _ = try explainer.explain(batch, text: text, methods: [method])
      }.steps
    }
    return steps
  }

  /// - Returns: the seconds to relevance, and those from there to heatmaps.
  private func explain() throws(LeGradError) -> (Double, Double) {
    var (seconds, heatmapSeconds) = (0.0, 0.0)
    for batch in batches {
      let start = ContinuousClock.now
      let explanations = try explainer.explain(batch, text: text, methods: [method]).joined()
      let middle = ContinuousClock.now
      for explanation in explanations {
        for prompt in 0..<explanation.prompts { _ = explanation.heatmap(prompt: prompt) }
      }
      seconds += (middle - start) / .seconds(1)
      heatmapSeconds += (ContinuousClock.now - middle) / .seconds(1)
    }
    return (seconds, heatmapSeconds)
  }
}
