public import Failures
public import SafeTensors
public import TorchFiles

/// What is wrong with a model's folder.
public typealias CheckpointError = Fault<CheckpointRule>

/// The rules of a model's folder.
public enum CheckpointRule: FaultRule {
  /// The folder or a file that a model needs is not there.
  case missingFile
  /// Several models where one is asked for.
  case severalModels
  /// A snapshot of the hub's cache that is not there, or not the only one.
  case snapshot
  /// Several weight files of which none has a name that says it is the model.
  case severalWeights
  /// A configuration that is not JSON, lacks a field, or holds a value out of range.
  case configuration
  /// A kind of model, or an option of it, that cannot be computed here yet.
  case unsupported
  /// A tensor that the configuration asks for is not in the weights.
  case missingTensor
  /// A tensor of another shape than the configuration asks for.
  case tensorShape
  /// A tensor that holds no floating-point numbers.
  case tensorType
  /// Two weights that could not be multiplied into one.
  case folding
  /// A canonical name that this model does not have.
  case unknownTensor
  /// A token id outside the vocabulary.
  case tokenID
  /// A name that is none of the known architectures.
  case unknownArchitecture
  /// A file that exists and may not be replaced.
  case exists
  /// The system failed to write.
  case cannotWrite
  /// The weight files themselves are faulty.
  case weights(SafeTensorsRule)
  /// The weight files are PyTorch's, and faulty or not read here.
  case torchWeights(TorchFileRule)

  public var kind: FailureKind {
    switch self {
    case .folding: .memory
    case .weights(let rule): rule.kind
    case .torchWeights(let rule): rule.kind
    default: .input
    }
  }
}

extension Fault<CheckpointRule> {
  /// The error of a weight file.
  package init(_ error: SafeTensorsError) { self.init(.weights(error.rule), error) }

  /// The error of a weight file of PyTorch's.
  package init(_ error: TorchFileError) { self.init(.torchWeights(error.rule), error) }
}
