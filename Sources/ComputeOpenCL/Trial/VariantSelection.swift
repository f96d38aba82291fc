public import Compute
import Failures
public import OpenCLRuntime
import Synchronization

extension KernelVariant {
  /// The variants that can be of use on a device. Those for processors compute in vectors of 16 floats; where the
  /// driver makes vectors of work-items instead they waste most of each, and take minutes to build (rusticl).
  /// Those on matrix units are for devices that may have some, and can be asked for on every device.
  public static func candidates(for device: OpenCLDevice) -> [KernelVariant] {
    (device.vectorWidth > 1 ? [.portable, .cpu] : [.portable])
      + (MatrixInstructions.candidates(for: device).isEmpty ? [] : [.matrix])
  }
}

/// Finds a device's kernels by trying them, never by its name: a variant that does not build, or that computes a known
/// product wrongly, is out; of the others the faster one is taken.
enum VariantSelection {
  private static let known = Mutex<[String: KernelTrial.Verdict]>([:])

  /// The variant for `device` with the kernels that `options` name.
  static func choose(
    for device: OpenCLDevice, _ precision: Precision, options: OpenCLBackend.Options
  ) throws(BackendError) -> KernelVariant {
    var trials: [KernelTrial] = []
    for variant in KernelVariant.candidates(for: device) where variant.takes(precision) {
      trials.append(KernelTrial(variant, try verdict(on: .variant(variant), of: device, options: options)))
    }
    return try best(of: trials, for: device, precision)
  }

  /// Throws where a variant that was asked for ends the process, or holds it up.
  static func check(
    _ variant: KernelVariant, for device: OpenCLDevice, options: OpenCLBackend.Options
  ) throws(BackendError) {
    guard options.trial != nil else { return }
    let trial = KernelTrial(variant, try verdict(on: .variant(variant), of: device, options: options))
    guard trial.isDangerous, let problem = trial.problem else { return }
    throw BackendError(
      .unavailable, operation: .openCLBackend, "\(device.name): \(variant.rawValue) kernels: \(problem)",
      advice: advice)
  }

  /// Every variant that can be of use on the device, tried once in a process.
  static func trials(
    on device: OpenCLDevice, options: OpenCLBackend.Options
  ) throws(BackendError) -> [KernelTrial] {
    var trials: [KernelTrial] = []
    for variant in KernelVariant.candidates(for: device) {
      trials.append(KernelTrial(variant, try verdict(on: .variant(variant), of: device, options: options)))
    }
    return trials
  }

  /// The variant that was found best just now, in this process.
  static func best(
    for device: OpenCLDevice, options: OpenCLBackend.Options
  ) throws(BackendError) -> KernelVariant {
    var trials: [KernelTrial] = []
    for variant in KernelVariant.candidates(for: device) {
      trials.append(KernelTrial(variant, try Trial.finding(of: .variant(variant), on: device, options).verdict))
    }
    return try best(of: trials, for: device, .f32)
  }

  private static let advice: Message =
    "take a newer driver or \(Subject.device) cpu, \(Subject.triesDevicesAgain) tries it again"

  private static func best(
    of trials: [KernelTrial], for device: OpenCLDevice, _ precision: Precision
  ) throws(BackendError) -> KernelVariant {
    guard let best = KernelTrial.best(of: trials, for: precision) else {
      throw BackendError(
        .unavailable, operation: .openCLBackend,
        "\(device.name): \(KernelTrial.problem(of: trials) ?? "has no kernels")",
        advice: advice)
    }
    return best
  }

  /// What came of trying a part of the kernels, in this process or, the first time, in one of its own.
  static func verdict(
    on subject: TrialSubject, of device: OpenCLDevice, options: OpenCLBackend.Options
  ) throws(BackendError) -> KernelTrial.Verdict {
    let record: TrialRecord
    do {
      record = try TrialRecord(
        subject, on: device, kernelFolder: options.kernelFolder, ptxFolder: options.ptxFolder)
    } catch { throw BackendError(.unavailable, operation: .openCLBackend, "\(device.name): \(error)") }
    let key = record.key
    if let verdict = known.withLock({ $0[key] }) { return verdict }
    let finding: Trial.Finding
    if let trial = options.trial {
      finding = try found(by: trial, record, device, options)
    } else {
      finding = try Trial.finding(of: subject, on: device, options)
    }
    if finding.lasts { known.withLock { $0[key] = finding.verdict } }
    return finding.verdict
  }

  /// Of `choices` the one that takes the least time on `device`; those that do not build or are wrong are out, and nil
  /// says that all are.
  static func fastest<Choice>(
    of choices: [Choice], of device: OpenCLDevice, options: OpenCLBackend.Options,
    as subject: (Choice) -> TrialSubject
  ) -> Choice? {
    var best: (choice: Choice, seconds: Double)?
    for choice in choices {
      guard case .works(let seconds)? = try? verdict(on: subject(choice), of: device, options: options) else {
        continue
      }
      if best.map({ seconds < $0.seconds }) ?? true { best = (choice, seconds) }
    }
    return best?.choice
  }

  private static func found(
    by trial: DeviceTrial, _ record: TrialRecord, _ device: OpenCLDevice, _ options: OpenCLBackend.Options
  ) throws(BackendError) -> Trial.Finding {
    if !trial.repeats, let folder = options.cacheFolder,
      let verdict = record.kept(in: folder, limit: trial.timeLimit)
    {
      return (verdict, lasts: true)
    }
    let seconds = Int((trial.timeLimit / .seconds(1)).rounded())
    options.notify?(
      "trying \(record.subject.title) on \(device.name) of \(device.platform) in a process of their own, "
        + "for at most \(seconds) s")
    let finding: Trial.Finding
    if let found = try TrialProcess.finding(record, device, trial, options) {
      finding = found
    } else {
      finding = try Trial.finding(of: record.subject, on: device, options)
    }
    if finding.lasts, let folder = options.cacheFolder { record.keep(finding.verdict, in: folder) }
    return finding
  }
}

extension OpenCLBackend.Options {
  /// What a trial in this process was of.
  func triedKernels(on device: OpenCLDevice) -> String {
    "\(device.platform) \(device.name) \(device.driver) \(kernelFolder ?? "") \(ptxFolder ?? "")"
  }
}

extension OpenCLBackend {
  /// The variant that a backend on the device takes for float32 where the options name none.
  public static func preferredVariant(
    on device: OpenCLDevice, options: Options = Options()
  ) throws(BackendError) -> KernelVariant {
    try VariantSelection.choose(for: device, .f32, options: options)
  }

  /// What came of trying every variant that can be of use on a device, the first time that a machine meets its driver
  /// in a process of their own (`Options.trial`).
  public static func trials(
    on device: OpenCLDevice, options: Options = Options()
  ) throws(BackendError) -> [KernelTrial] {
    try VariantSelection.trials(on: device, options: options)
  }
}

/// Products on one variant: a small one that is compared, a larger one that is timed.
struct Trial {
  private let backend: OpenCLBackend
  private let variant: KernelVariant

  /// No multiples of a tile, so that edges are compared too.
  private static let compared = (rows: 13, inner: 67, columns: 41)
  private static let timed = (rows: 256, inner: 512, columns: 512)
  private static let repetitions = 3
  private static let patience: Duration = .milliseconds(500)
  /// The error allowed as a share of the largest sum; float32 in any order stays far below.
  private static let bound = 1e-4
  /// That of products of parts that hold the compared values without loss, or to sixteen bits: without one of the small
  /// products they miss it.
  private static let boundOfParts = 1e-5

  /// What came of a trial, and whether it would be the same tomorrow.
  typealias Finding = (verdict: KernelTrial.Verdict, lasts: Bool)

  /// A trial in this process.
  static func finding(
    of subject: TrialSubject, on device: OpenCLDevice, _ options: OpenCLBackend.Options
  ) throws(BackendError) -> Finding {
    do throws(BackendError) {
      let seconds: Double
      switch subject {
      case .variant(let variant):
        if variant == .matrix, options.matrixSet == nil {
          let choice = try MatrixSelection.choose(for: device, options: options)
          if let problem = choice.problem { throw problem }
          guard !choice.set.isPlain else { return (.refused("the device has no matrix instructions"), true) }
        }
        seconds = try Trial(device, variant, options).run() / .seconds(1)
      case .unrolling(let unrolling):
        seconds = try UnrollingSelection.time(of: unrolling, on: device, options) / .seconds(1)
      case .attention(let kernels):
        seconds = try AttentionTrial(kernels, on: device, options).run() / .seconds(1)
      case .recording(let variant): seconds = try RecordingTrial(device, variant, options).run()
      }
      return (.works(seconds: seconds), true)
    } catch {
      // Memory says nothing about a variant.
      if error.code == .outOfMemory { throw error }
      let reason = error.reason.description
      let start = "\(device.name): "
      return (
        .refused(reason.hasPrefix(start) ? String(reason.dropFirst(start.count)) : reason), lasts(error)
      )
    }
  }

  /// Whether a trial that failed so would fail tomorrow; contexts and queues may be had then.
  static func lasts(_ error: BackendError) -> Bool { error.operation != .openCLBackend }

  /// Throws where products with matrix instructions do not build or are wrong, in any precision and of either side.
  static func check(
    _ set: MatrixSet, on device: OpenCLDevice, _ options: OpenCLBackend.Options
  ) throws(BackendError) {
    var options = options
    options.matrixSet = set
    for precision in Precision.allCases where KernelVariant.matrix.takes(precision) {
      let trial = try Trial(device, .matrix, options, precision)
      for side in [Matmul<OpenCLBuffer, OpenCLWeight>.Side.outputs, .inputs] {
        // Few rows take the smallest tile; the largest is a program with other steps.
        for tile in [nil, MatrixTile.all[0]] { try trial.compare(side, by: tile) }
      }
    }
  }

  /// - Parameter precision: the finest of the variant where nil.
  private init(
    _ device: OpenCLDevice, _ variant: KernelVariant, _ options: OpenCLBackend.Options, _ precision: Precision? = nil
  ) throws(BackendError) {
    var options = options
    options.variant = variant
    options.trial = nil
    options.unrolling = options.unrolling ?? .all
    options.attentionKernels = .portable
    options.streamsWeights = false
    options.profiles = false
    options.commandBuffers = false
    backend = try OpenCLBackend(device, precision: precision ?? variant.finestPrecision, options: options)
    self.variant = variant
  }

  /// The least time of the timed product; of a device that takes long for the compared one, such as a simulator, as
  /// many times that as the timed one has more arithmetic.
  func run() throws(BackendError) -> Duration {
    try compare()
    let small = try time(Self.compared, repetitions: 1)
    guard small < Self.patience else {
      let (compared, timed) = (Self.compared, Self.timed)
      return small * (timed.rows * timed.inner * timed.columns / (compared.rows * compared.inner * compared.columns))
    }
    return try time(Self.timed, repetitions: 1 + Self.repetitions)
  }

  private func time(
    _ size: (rows: Int, inner: Int, columns: Int), repetitions: Int
  ) throws(BackendError) -> Duration {
    let input = try matrix(size.rows, size.inner)
    let weight = try backend.prepare(
      values(size.columns * size.inner).span, rows: size.columns, columns: size.inner)
    let output = try backend.makeMatrix(rows: size.rows, columns: size.columns)
    var best: Duration?
    for _ in 0..<repetitions {
      let start = ContinuousClock.now
      try backend.matmul(Matmul(input: input, weight: weight, output: output))
      try backend.synchronize()
      let time = ContinuousClock.now - start
      best = min(best ?? time, time)
    }
    return best ?? .zero
  }

  /// - Parameter tile: of the matrix variant; the one that it would take where nil.
  private func compare(
    _ side: Matmul<OpenCLBuffer, OpenCLWeight>.Side = .outputs, by tile: MatrixTile? = nil
  ) throws(BackendError) {
    let (rows, inner, columns) = Self.compared
    let left = values(rows * inner)
    let right = values(columns * inner)
    let input = try matrix(rows, inner)
    let (stored, height, width) =
      side == .outputs
      ? (right, columns, inner)
      : ((0..<inner * columns).map { right[$0 % columns * inner + $0 / columns] }, inner, columns)
    let weight = try backend.prepare(stored.span, rows: height, columns: width)
    let output = try backend.makeMatrix(rows: rows, columns: columns)
    let product = Matmul(input: input, weight: weight, side: side, output: output)
    if let tile {
      try backend.perform(.matmul) { stream throws(OpenCLError) in
        try backend.matrixMatmul(product, by: tile, backend.matrixSet, on: stream)
      }
    } else {
      try backend.matmul(product)
    }
    let bound = variant == .matrix ? Self.boundOfParts : Self.bound
    var results = [Float](repeating: .nan, count: rows * columns)
    var span = results.mutableSpan
    try backend.download(output, into: &span)
    for row in 0..<rows {
      for column in 0..<columns {
        var sum = 0.0
        for k in 0..<inner { sum += Double(left[row * inner + k]) * Double(right[column * inner + k]) }
        let difference = abs(Double(results[row * columns + column]) - sum)
        guard difference <= bound * Double(inner) else {
          throw BackendError(
            .unavailable, operation: .matmul,
            "the \(variant.rawValue) kernels compute \(results[row * columns + column]) where it is \(sum)")
        }
      }
    }
  }

  private func matrix(_ rows: Int, _ columns: Int) throws(BackendError) -> Matrix<OpenCLBuffer> {
    let matrix = try backend.makeMatrix(rows: rows, columns: columns)
    try backend.upload(values(rows * columns).span, to: matrix)
    return matrix
  }

  /// Numbers within ±1 without a pattern that a wrong index would repeat; where operands are rounded once, numbers that
  /// rounding leaves alone.
  private func values(_ count: Int) -> [Float] {
    let isExact = variant == .matrix && backend.precision != .bf16Split
    return (0..<count).map {
      let value = Float(($0 * 7919 + 104_729) % 2003) / 1001.5 - 1
      return isExact ? (value * 128).rounded() / 128 : value
    }
  }
}
