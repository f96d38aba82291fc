import CAllocator
import Failures
import Glibc
import LeGrad
import Processes
import VisionTransformer

/// Measures one method along each axis, all else as it was asked for.
struct GrowthRun {
  let explainer: Explainer
  let images, prompts: Int
  let size: InputSize
  let layers: LayerSelection
  /// The method, told which blocks it is of.
  let method: (LayerSelection) throws -> Method
  let batchSize: Int
  let repetitions: Int
  /// What an axis may take; values that would take longer are left out.
  let secondsPerAxis: Double

  /// One setting of an explanation.
  private struct Setting {
    var images, prompts: Int
    var size: InputSize
    var layers: LayerSelection
  }

  /// - Parameter note: told what is left out, and why.
  func measure(note: (String) -> Void) throws -> [GrowthCurve] {
    var curves: [GrowthCurve] = []
    for axis in GrowthAxis.allCases {
      let values = axis.values(of: explainer.model)
      if axis == .blocks {
        let layers = explainer.model.configuration.vision.layers
        guard try method(.last(1)).blocks(of: layers) != method(.all).blocks(of: layers) else {
          note("blocks left out: \(try method(.all).name) has blocks of its own")
          continue
        }
      }
      curves.append(try measure(axis, values, note: note))
    }
    return curves
  }

  private func measure(_ axis: GrowthAxis, _ values: [Int], note: (String) -> Void) throws -> GrowthCurve {
    var curve = GrowthCurve(axis: axis)
    let start = ContinuousClock.now
    var bar = ProgressBar(total: values.count, name: axis.rawValue + " ")
    defer { bar.finish() }
    for (index, value) in values.enumerated() {
      let left = secondsPerAxis - (ContinuousClock.now - start) / .seconds(1)
      if let last = curve.points.last {
        let ratio = axis.variable(of: value, in: explainer.model) / last.variable
        // A run that is not counted comes before those that are.
        guard 2 * last.seconds * ratio <= left else {
          note(
            "\(axis.rawValue) from \(value.grouped) left out: they take longer than the "
              + "\(secondsPerAxis.decimal(places: 0)) s of an axis")
          break
        }
      }
      do {
        curve.points.append(try measure(axis, value, seconds: left / Double(values.count - index)))
      } catch  where index > 0 && [.memory, .usage].contains((error as? LeGradError)?.kind) {
        let reason = LeGradError(error, command: BenchmarkCommand.self).line
        note("\(axis.rawValue) from \(value.grouped) left out: \(reason)")
        break
      }
      bar.advance()
    }
    return curve
  }

  /// The least of the repetitions, of which there are fewer once `seconds` are over.
  private func measure(_ axis: GrowthAxis, _ value: Int, seconds: Double) throws -> GrowthPoint {
    var setting = Setting(images: images, prompts: prompts, size: size, layers: layers)
    switch axis {
    case .images: setting.images = value
    case .prompts: setting.prompts = value
    case .pixels: setting.size = .pixels(width: value, height: value)
    case .blocks: setting.layers = .last(value)
    }
    // One batch stands for all: more of them would be other numbers only.
    var inputs = RandomInputs(explainer: explainer)
    var batch: [PreparedImage] = []
    for _ in 0..<min(setting.images, batchSize) { batch.append(try inputs.image(setting.size)) }
    let text = try inputs.text(setting.prompts)
    let method = try method(setting.layers)
    func explain(_ images: Int) throws(LeGradError) {
      var left = images
      while left > 0 {
        for explanation in try explainer.explain(Array(batch.prefix(left)), text: text, methods: [method]).joined() {
          for prompt in 0..<explanation.prompts { _ = explanation.heatmap(prompt: prompt) }
        }
        left -= batch.count
      }
    }
    // Memory is taken and weights are met by the first batch.
    try explain(batch.count)
    let memory = PeakMemory.begin()
    var least = Double.infinity
    let start = ContinuousClock.now
    for repetition in 0..<repetitions {
      let before = ContinuousClock.now
      try explain(setting.images)
      least = min(least, (ContinuousClock.now - before) / .seconds(1))
      if repetition > 0, (ContinuousClock.now - start) / .seconds(1) > seconds { break }
      if least > seconds { break }
    }
    // What a run takes of a device's memory is kept for the next one.
    return GrowthPoint(
      axis: axis.rawValue, value: value, variable: axis.variable(of: value, in: explainer.model), seconds: least,
      peakBytes: explainer.bytesInUse ?? memory.end())
  }
}

/// The most memory that this process had at a time since a moment.
struct PeakMemory {
  /// Forgets what was (Linux: Documentation/filesystems/proc, clear_refs).
  static func begin() -> PeakMemory {
    // What earlier work has left free would be counted as in use.
    legrad_return_free_memory()
    let file = unsafe open("/proc/self/clear_refs", O_WRONLY | O_CLOEXEC)
    if file >= 0 {
      _ = unsafe write(file, "5", 1)
      close(file)
    }
    return PeakMemory()
  }

  /// Bytes.
  func end() -> Int {
    guard let text = SystemFile.text("/proc/self/status") else { return 0 }
    // VmHWM:    123456 kB
    let line = text.split(separator: "\n").first { $0.hasPrefix("VmHWM:") }
    return (line?.split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? 0) * 1024
  }
}
