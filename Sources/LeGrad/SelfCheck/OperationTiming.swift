public import Compute
import OperationSamples
import VisionTransformer

/// How long one operation takes.
public struct OperationTiming: Sendable {
  public let operation: OperationName
  /// Sizes and options, for people.
  public let detail: String
  /// Floating-point operations of one run.
  public let arithmetic: Double
  /// Seconds of one run, in each repetition.
  public let seconds: [Double]
}

extension Explainer {
  /// Times what an explanation spends its time in, on random values: the four products of a block from both sides,
  /// attention and its relevance.
  public func timeOperations(
    images: Int, prompts: Int, size: InputSize = .native, repetitions: Int
  ) throws(LeGradError) -> [OperationTiming] {
    let vision = model.configuration.vision
    var grid: Grid?
    if case .pixels(let width, let height) = size {
      grid = Grid(height: height / vision.patchSize, width: width / vision.patchSize)
    }
    let sizes = SampleSizes(model.configuration, images: images, prompts: prompts, grid: grid)
    var timings: [OperationTiming] = []
    for sample in sizes.heavySamples {
      do {
        timings.append(try room.current.engine.perform(OperationBenchmark(sample: sample, repetitions: repetitions)))
      } catch { throw LeGradError(error) }
    }
    return timings
  }

  /// Seconds that a launch takes at least: of one fill of one element, of many in a row.
  public func measureLaunch() throws(LeGradError) -> Double {
    do { return try room.current.engine.perform(LaunchBenchmark()) } catch { throw LeGradError(error) }
  }
}

private struct OperationBenchmark: BackendWork {
  let sample: any OperationSample
  let repetitions: Int

  func run<B: Backend>(on backend: B) throws(BackendError) -> OperationTiming {
    let run = try prepare(sample, on: backend)
    try run()
    return OperationTiming(
      operation: sample.operation, detail: sample.detail, arithmetic: sample.arithmetic,
      seconds: try OperationTimer(repetitions: repetitions).seconds(of: run, on: backend))
  }

  private func prepare<B: Backend>(_ sample: some OperationSample, on backend: B) throws(BackendError) -> SampleRun {
    try sample.prepare(on: SampleBench(backend, for: sample))
  }
}

struct LaunchBenchmark: BackendWork {
  private static var launches: Int { 1000 }

  func run<B: Backend>(on backend: B) throws(BackendError) -> Double {
    let fill = Fill(try backend.makeMatrix(rows: 1, columns: 1), with: 0)
    let thousand = { () throws(BackendError) in
      for _ in 0..<Self.launches { try backend.fill(fill) }
    }
    try thousand()
    let seconds = try OperationTimer(repetitions: 5).seconds(of: thousand, on: backend)
    return (seconds.min() ?? 0) / Double(Self.launches)
  }
}
