import Failures

extension Subject {
  /// What the command calls it.
  var option: String {
    switch self {
    case .allowsMixedDevices: "--allow-mixed-devices"
    case .device: "--device"
    case .devices: "'legrad devices'"
    case .fold: "--fold"
    case .explainedClass: "--explain"
    case .explainedClasses: "--class"
    case .hubCache: "HF_HUB_CACHE"
    case .kernelVariant: "--kernel-variant"
    case .layers: "--layers"
    case .mean: "--mean"
    case .memoryLimit: "--memory-limit"
    case .pixelLimit: "--max-pixels"
    case .precision: "--precision"
    case .readout: "--readout"
    case .prompt: "-p"
    case .referenceImages: "--reference-image"
    case .resume: "--resume"
    case .sandbox: "--sandbox"
    case .shard: "--shard"
    case .size: "--size"
    case .std: "--std"
    case .triesDevicesAgain: "'legrad devices --try-again'"
    case .textEmbeddings: "--text-embeddings"
    case .waitsAfterEveryOperation: "LEGRAD_SYNC=1"
    }
  }
}

extension Message {
  /// The line in the words of the command.
  var advice: String { text(\.option) }
}
