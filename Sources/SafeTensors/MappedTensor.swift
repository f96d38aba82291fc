package import Files

/// A tensor of floats as it lies in a mapped file, row-major and without gaps.
package struct MappedTensor: Sendable {
  package let elementType: ElementType
  package let shape: [Int]
  package let file: FileBytes
  package let bytes: Range<Int>
}

/// A store that knows where its tensors lie.
package protocol MappedTensorStore: TensorStore {
  /// The tensor, where it can be read in place; nil for one that is to be read by `floats`.
  func mapped(_ name: String) -> MappedTensor?
}

extension TensorStore {
  /// See `MappedTensorStore`.
  package func mappedTensor(_ name: String) -> MappedTensor? {
    (self as? any MappedTensorStore)?.mapped(name)
  }
}
