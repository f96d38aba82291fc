import SafeTensors
import Texts

/// Names and shapes of tensors that are nowhere yet, for a configuration to be read beside.
struct DescribedTensors: TensorStore {
  let files: [String] = []
  let totalBytes = 0
  let tensors: [TensorDescription]
  private let byName: TextTable<TensorDescription>

  init(_ tensors: [TensorDescription]) {
    self.tensors = tensors
    var byName: TextTable<TensorDescription> = [:]
    for tensor in tensors.reversed() { byName[tensor.name] = tensor }
    self.byName = byName
  }

  func description(of name: String) -> TensorDescription? { byName[name] }

  func floats(_ name: String, shape: [Int]) throws(SafeTensorsError) -> [Float] { preconditionFailure(Self.noValues) }
  func doubles(_ name: String, shape: [Int]) throws(SafeTensorsError) -> [Double] { preconditionFailure(Self.noValues) }
  func rows(_ name: String, indices: [Int], columns: Int) throws(SafeTensorsError) -> [Float] {
    preconditionFailure(Self.noValues)
  }

  private static let noValues = "a description has no values"
}
