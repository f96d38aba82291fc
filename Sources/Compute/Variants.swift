/// A family of vector instructions that the CPU's inner loops are built for, from the slowest to the fastest.
public enum InstructionSet: String, Sendable, CaseIterable {
  /// 16-byte vectors: what every processor has.
  case portable
  /// 32-byte vectors with fused multiply-add.
  case avx2
  /// 64-byte vectors.
  case avx512
  /// 64-byte vectors with products of bfloat16 pairs.
  case avx512bf16
}

/// Which kernels an OpenCL device runs: the same operations, shaped for a class of devices.
public enum KernelVariant: String, Sendable, CaseIterable {
  /// Work-group tiles in local memory and register micro-tiles, for GPUs; right on every device.
  case portable
  /// One work-item per register tile, vectors of 16 floats and no barriers, for processors.
  case cpu
  /// The portable kernels, with products, attention and its relevance in 16-bit parts on matrix units (tensor cores) in
  /// place of theirs.
  case matrix
}

extension KernelVariant {
  /// Whether it computes products in a precision; matrix units have no float32.
  public func takes(_ precision: Precision) -> Bool { self != .matrix || precision != .f32 }

  /// The precision that is nearest to float32 of those that it takes.
  public var finestPrecision: Precision { takes(.f32) ? .f32 : .bf16Split }
}

/// How kernels are tried on an OpenCL device that was never seen: in a process of their own, because a driver's compiler
/// may end the process that calls it, or never return.
public struct DeviceTrial: Sendable {
  /// The command `legrad` of the same build as this library.
  public var executable: String
  /// What a variant's kernels may take to be built and tried.
  public var timeLimit: Duration = .seconds(300)
  /// Whether verdicts that are kept in the cache folder are found anew.
  public var repeats = false

  public init(executable: String) { self.executable = executable }
}

/// What came of trying one variant of the kernels on an OpenCL device.
public struct KernelTrial: Sendable, Equatable {
  public enum Verdict: Sendable, Equatable {
    /// It computes right; seconds of a product, by which variants are compared.
    case works(seconds: Double)
    /// The driver does not take it, or its numbers are wrong.
    case refused(String)
    /// The driver ended the process; the driver's last words.
    case exited(status: Int32, words: String)
    case died(signal: Int32, words: String)
    /// Nothing came of it in so many seconds.
    case timedOut(seconds: Int, words: String)
  }

  public let variant: KernelVariant
  public let verdict: Verdict

  package init(_ variant: KernelVariant, _ verdict: Verdict) {
    self.variant = variant
    self.verdict = verdict
  }
}

extension KernelTrial.Verdict {
  /// What is wrong, in one line; nil where nothing is.
  public var problem: String? {
    func ending(_ how: String, _ words: String) -> String { words.isEmpty ? how : "\(how): \(words)" }
    return switch self {
    case .works: nil
    case .refused(let reason): reason
    case .exited(let status, let words): ending("the driver ended the process with exit code \(status)", words)
    case .died(let signal, let words): ending("the driver ended the process with signal \(signal)", words)
    case .timedOut(let seconds, let words): ending("the driver gave no answer in \(seconds) s", words)
    }
  }
}

extension KernelTrial {
  /// The fastest variant of those that work and take a precision; nil where none does.
  public static func best(of trials: [KernelTrial], for precision: Precision = .f32) -> KernelVariant? {
    var best: (variant: KernelVariant, seconds: Double)?
    for trial in trials where trial.variant.takes(precision) {
      guard case .works(let seconds) = trial.verdict else { continue }
      if best.map({ seconds < $0.seconds }) ?? true { best = (trial.variant, seconds) }
    }
    return best?.variant
  }

  /// Why it cannot be used; nil where it can.
  public var problem: String? { verdict.problem }

  /// Why those that cannot be used cannot, in one line; nil where all can.
  public static func problem(of trials: [KernelTrial]) -> String? {
    let problems = trials.compactMap { trial in trial.problem.map { (trial.variant, $0) } }
    guard let first = problems.first else { return nil }
    if problems.count == trials.count, problems.allSatisfy({ $0.1 == first.1 }) { return first.1 }
    return problems.map { "\($0.0.rawValue) kernels: \($0.1)" }.joined(separator: "; ")
  }

  /// Whether the driver ended or held up the process that tried it, so that no other may.
  public var isDangerous: Bool {
    switch verdict {
    case .works, .refused: false
    case .exited, .died, .timedOut: true
    }
  }
}
