import SafeTensors

/// Names and shapes of tensors that are nowhere yet, for a configuration to be read beside.
struct DescribedTensors: TensorStore {
  let files: [String] = []
  let totalBytes = 0
  let tensors: [TensorDescription]
  private let byName: [String: TensorDescription]

  init(_ tensors: [TensorDescription]) {
    self.tensors = tensors
    byName = Dictionary(tensors.map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first })
  }

  func description(of name: String) -> TensorDescription? { byName[name] }

  func floats(_ name: String, shape: [Int]) throws(SafeTensorsError) -> [Float] { preconditionFailure(Self.noValues) }
  func doubles(_ name: String, shape: [Int]) throws(SafeTensorsError) -> [Double] { preconditionFailure(Self.noValues) }
  func rows(_ name: String, indices: [Int], columns: Int) throws(SafeTensorsError) -> [Float] {
    preconditionFailure(Self.noValues)
  }

  private static let noValues = "a description has no values"
}
