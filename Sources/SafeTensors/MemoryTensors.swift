import Failures
import Files
import Texts

/// Tensors in memory that somebody lends, read where they lie.
package struct MemoryTensors: MappedTensorStore {
  /// A tensor, and the bytes from its first element on.
  @safe package struct Lent {
    let description: TensorDescription
    let strides: [Int]?
    let bytes: UnsafeRawBufferPointer

    /// - Parameters:
    ///   - strides: elements from one index to the next, per dimension; nil for row-major without gaps.
    ///   - bytes: nothing of them is read where the type is not widened to Float32.
    package init(
      name: String, elementType: ElementType, shape: [Int], strides: [Int]?, bytes: UnsafeRawBufferPointer
    ) {
      description = TensorDescription(name: name, shape: shape, elementType: elementType)
      self.strides = strides
      unsafe self.bytes = unsafe bytes
    }
  }

  package let tensors: [TensorDescription]
  private let data: TextTable<TensorData>

  package let files: [String] = []
  package let totalBytes: Int

  /// - Parameters:
  ///   - tensors: in any order.
  ///   - lender: keeps the bytes where they are, unchanged, for as long as it lives.
  ///   - name: what errors call the tensors together.
  /// - Throws: `overflow`, `number`, `byteCount`, or `duplicateKey`.
  package init(
    _ tensors: [Lent], by lender: any AnyObject & Sendable, name: String
  ) throws(SafeTensorsError) {
    var data: TextTable<TensorData> = [:]
    var total = 0
    for tensor in tensors {
      let entry = try Self.entry(tensor, in: name)
      var entries: TextTable<TensorData.Entry> = [:]
      let tensorName = entry.description.name
      entries[tensorName] = entry
      let source = unsafe FileBytes(lent: tensor.bytes, by: lender, name: name)
      guard
        data.updateValue(TensorData(path: name, source: source, entries: entries), forKey: tensorName) == nil
      else {
        throw Self.failure(.duplicateKey, name, tensorName, expected: "names that differ", found: "two of this one")
      }
      total += entry.bytes.count
    }
    self.data = data
    totalBytes = total
    self.tensors = tensors.map(\.description).sorted { $0.name.precedes($1.name) }
  }

  private static func failure(
    _ rule: SafeTensorsRule, _ name: String, _ tensor: String, expected: String, found: String
  ) -> SafeTensorsError {
    SafeTensorsError(
      rule, file: name, place: "tensor \"\(tensor)\"", expected: expected, found: found,
      remedy: "correct what describes the tensor")
  }

  private static func entry(_ tensor: Lent, in name: String) throws(SafeTensorsError) -> TensorData.Entry {
    let description = tensor.description
    let (shape, type) = (description.shape, description.elementType)
    func failure(_ rule: SafeTensorsRule, expected: String, found: String) -> SafeTensorsError {
      Self.failure(rule, name, description.name, expected: expected, found: found)
    }
    var (count, overflows) = (1, false)
    for length in shape {
      guard length >= 0 else { throw failure(.number, expected: "lengths from 0 on", found: "\(shape)") }
      let (product, overflow) = count.multipliedReportingOverflow(by: length)
      (count, overflows) = (product, overflows || overflow)
    }
    guard !overflows, type.byteCount(of: count) != nil else {
      throw failure(.overflow, expected: "fewer elements", found: "shape \(shape)")
    }
    // Of other types the names and shapes alone are of use.
    guard type.isReadableAsFloat, count > 0 else {
      return TensorData.Entry(description: description, elementCount: count, bytes: 0..<0)
    }
    let isPacked = tensor.strides.map { $0.elementsEqual(Self.packed(shape)) } ?? true
    let elements = isPacked ? count : try Self.reach(shape, tensor.strides ?? [], failure)
    guard let needed = type.byteCount(of: elements), unsafe needed <= tensor.bytes.count else {
      throw failure(
        .byteCount, expected: "bytes for \(elements) elements of \(type.rawValue)",
        found: "\(unsafe tensor.bytes.count) bytes")
    }
    let address = unsafe UInt(bitPattern: tensor.bytes.baseAddress)
    guard address % UInt(type.bitWidth / 8) == 0, address != 0 else {
      throw failure(
        .byteCount, expected: "an address that its elements of \(type.bitWidth / 8) bytes may have",
        found: address == 0 ? "none" : "one between them")
    }
    return TensorData.Entry(
      description: description, elementCount: count, bytes: 0..<needed, strides: isPacked ? nil : tensor.strides)
  }

  private static func packed(_ shape: [Int]) -> [Int] {
    var strides = [Int](repeating: 1, count: shape.count)
    for dimension in shape.indices.dropLast().reversed() {
      strides[dimension] = strides[dimension + 1] * shape[dimension + 1]
    }
    return strides
  }

  /// Elements from the first to the farthest.
  private static func reach(
    _ shape: [Int], _ strides: [Int], _ failure: (SafeTensorsRule, String, String) -> SafeTensorsError
  ) throws(SafeTensorsError) -> Int {
    guard strides.count == shape.count, strides.allSatisfy({ $0 >= 0 }) else {
      throw failure(.number, "\(shape.count) strides from 0 on", "\(strides)")
    }
    var farthest = 0
    for (length, stride) in zip(shape, strides) {
      let (step, overflow) = (length - 1).multipliedReportingOverflow(by: stride)
      let (sum, overflowOfSum) = farthest.addingReportingOverflow(step)
      guard !overflow, !overflowOfSum, sum < Int.max else {
        throw failure(.overflow, "smaller strides", "\(strides)")
      }
      farthest = sum
    }
    return farthest + 1
  }

  package func description(of name: String) -> TensorDescription? { data[name]?.description(of: name) }

  package func floats(_ name: String, shape: [Int]) throws(SafeTensorsError) -> [Float] {
    try tensor(name).floats(name, shape: shape)
  }

  package func doubles(_ name: String, shape: [Int]) throws(SafeTensorsError) -> [Double] {
    try tensor(name).doubles(name, shape: shape)
  }

  package func rows(_ name: String, indices: [Int], columns: Int) throws(SafeTensorsError) -> [Float] {
    try tensor(name).rows(name, indices: indices, columns: columns)
  }

  package func mapped(_ name: String) -> MappedTensor? { data[name]?.mapped(name) }

  private func tensor(_ name: String) throws(SafeTensorsError) -> TensorData {
    guard let tensor = data[name] else {
      throw Self.failure(.missingTensor, "weights", name, expected: "this tensor", found: "none of this name")
    }
    return tensor
  }
}
