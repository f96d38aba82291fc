import Compute
import Files
import OpenCLRuntime

/// What is tried of the kernels.
enum TrialSubject: Sendable, Hashable {
  /// Whether a variant computes right, and how fast.
  case variant(KernelVariant)
  /// How fast the portable product is with its loop written out so far.
  case unrolling(PortableTile.Unrolling)
  /// Whether attention of the matrix variant computes right with these kernels, and how fast.
  case attention(AttentionKernels)
  /// Whether recorded kernels compute what enqueued ones do, and what they take more.
  case recording(KernelVariant)

  /// For the process that tries it.
  var word: String {
    switch self {
    case .variant(let variant): variant.rawValue
    case .unrolling(let unrolling): "unrolling-\(unrolling.rawValue)"
    case .attention(let kernels): "attention-\(kernels.rawValue)"
    case .recording(let variant): "recording-\(variant.rawValue)"
    }
  }

  init?(word: String) {
    let all =
      KernelVariant.allCases.flatMap { [Self.variant($0), .recording($0)] }
      + PortableTile.Unrolling.allCases.map(Self.unrolling) + AttentionKernels.allCases.map(Self.attention)
    guard let subject = all.first(where: { $0.word == word }) else { return nil }
    self = subject
  }

  /// For people.
  var title: String {
    switch self {
    case .variant(let variant): "the \(variant.rawValue) kernels"
    case .unrolling(let unrolling): "the portable product with \(unrolling.rawValue) of its loop written out"
    case .attention(let kernels): "\(kernels.rawValue) kernels of attention"
    case .recording(let variant): "command buffers of the \(variant.rawValue) kernels"
    }
  }
}

/// A trial on one device: what it depends on, and how its verdict is written down, in the cache folder and by the process
/// that finds it.
struct TrialRecord {
  let subject: TrialSubject
  private let device: OpenCLDevice
  private let parts: [String]

  /// Changes when the way a trial is made does, or that in which it is written.
  private static let format = "2"

  init(
    _ subject: TrialSubject, on device: OpenCLDevice, kernelFolder: String?, ptxFolder: String?
  ) throws(OpenCLError) {
    self.subject = subject
    self.device = device
    let kernels = try KernelLibrary.texts(in: kernelFolder)
    parts =
      [Self.format, subject.word, device.platform, device.name, device.version, device.driver]
      + kernels.sorted { $0.key < $1.key }.flatMap { [$0.key, $0.value] }
      + (PTXFolder.used(ptxFolder, by: device)?.names ?? [])
  }

  /// The same in two processes that have the same device, driver and kernels.
  var key: String { SHA256.hash(of: parts) }

  private func files(in folder: String) -> SealedCache {
    SealedCache(folder: folder, fileExtension: "trial", sizeLimit: 1 << 16)
  }

  /// What an earlier process found; nil where it gave up earlier than `limit`.
  func kept(in folder: String, limit: Duration) -> KernelTrial.Verdict? {
    guard let content = files(in: folder).content(parts),
      let verdict = KernelTrial.Verdict(line: String(decoding: content, as: UTF8.self))
    else { return nil }
    if case .timedOut(let seconds, _) = verdict, limit > .seconds(seconds) { return nil }
    return verdict
  }

  func keep(_ verdict: KernelTrial.Verdict, in folder: String) {
    files(in: folder).keep(Array(verdict.line.utf8), parts)
  }
}

extension KernelTrial.Verdict {
  /// A word, a number where there is one, and text.
  var line: String {
    switch self {
    case .works(let seconds): "works \(seconds)"
    case .refused(let reason): "refused \(reason)"
    case .exited(let status, let words): "exited \(status) \(words)"
    case .died(let signal, let words): "died \(signal) \(words)"
    case .timedOut(let seconds, let words): "timedOut \(seconds) \(words)"
    }
  }

  init?(line: String) {
    let parts = line.split(separator: " ", maxSplits: 1, omittingEmptySubsequences: false)
    guard parts.count == 2 else { return nil }
    if parts[0] == "refused" {
      self = .refused(String(parts[1]))
      return
    }
    let rest = parts[1].split(separator: " ", maxSplits: 1, omittingEmptySubsequences: false)
    let words = rest.count > 1 ? String(rest[1]) : ""
    switch parts[0] {
    case "works":
      guard let seconds = Double(rest[0]), seconds.isFinite else { return nil }
      self = .works(seconds: seconds)
    case "exited", "died":
      guard let number = Int32(rest[0]) else { return nil }
      self = parts[0] == "died" ? .died(signal: number, words: words) : .exited(status: number, words: words)
    case "timedOut":
      guard let seconds = Int(rest[0]) else { return nil }
      self = .timedOut(seconds: seconds, words: words)
    default: return nil
    }
  }
}
