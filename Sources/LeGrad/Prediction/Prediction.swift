import Compute
import OperationSamples

/// What a device is expected to take for a run, stage by stage.
package struct Prediction: Sendable {
  package struct Part: Sendable {
    package let stage: Stage
    package let operations: Int
    package let arithmetic: Double
    package let bytes: Int
    package let seconds: Double
    /// What most of that time is spent with.
    package let bottleneck: Bottleneck
  }

  /// The stages that the run has, in their order.
  package let parts: [Part]
  /// Operations that the host starts while the device works.
  package let launches: Int
  package let launchSeconds: Double

  package init(_ steps: [RunTrace.Step], on device: PredictedDevice) {
    var parts: [Part] = []
    for (stage, steps) in Dictionary(grouping: steps, by: \.stage).sorted(by: { $0.key < $1.key }) {
      let expected = steps.map { device.expected($0.work) }
      let seconds = expected.reduce(0) { $0 + $1.seconds }
      let hostSeconds = Double(steps.count) * device.launchSeconds
      let longest = Dictionary(grouping: expected, by: \.bottleneck)
        .map { (bottleneck: $0.key, seconds: $0.value.reduce(0) { $0 + $1.seconds }) }
        .max { ($0.seconds, $0.bottleneck.rawValue) < ($1.seconds, $1.bottleneck.rawValue) }
      parts.append(
        Part(
          stage: stage, operations: steps.count, arithmetic: steps.reduce(0) { $0 + $1.work.arithmetic },
          bytes: steps.reduce(0) { $0 + $1.work.bytes }, seconds: seconds,
          bottleneck: hostSeconds > seconds ? .launches : longest?.bottleneck ?? .latency))
    }
    self.parts = parts
    launches = steps.count
    launchSeconds = Double(steps.count) * device.launchSeconds
  }

  /// Of all stages.
  package var deviceSeconds: Double { parts.reduce(0) { $0 + $1.seconds } }
  /// Of the run: the host starts kernels while others run, and the slower of the two is waited for.
  package var seconds: Double { max(deviceSeconds, launchSeconds) }
}

extension Explainer {
  /// Prepares what measures the rates of the device in use.
  package func prepareRates() throws(LeGradError) -> () throws(LeGradError) -> PredictedDevice {
    let device = device.name
    let measure: () throws(BackendError) -> MeasuredMachine
    do { measure = try room.current.engine.perform(RateWork()) } catch { throw LeGradError(error) }
    return { () throws(LeGradError) -> PredictedDevice in
      do throws(BackendError) {
        return PredictedDevice(
          name: "this", title: device, source: "rates measured beside the run", machine: .measured(try measure()))
      } catch { throw LeGradError(error) }
    }
  }
}

private struct RateWork: BackendWork {
  func run<B: Backend>(on backend: B) throws(BackendError) -> () throws(BackendError) -> MeasuredMachine {
    let probes = try RateProbes(on: backend)
    let peak = try backend.measurePeak()
    return { () throws(BackendError) -> MeasuredMachine in
      MeasuredMachine(peak: peak, launchSeconds: try LaunchBenchmark().run(on: backend), probes: try probes.measure())
    }
  }
}
