import Failures
package import Files
package import Texts

/// The tensors of one file, wherever their elements lie in it, read and widened.
package struct TensorData: Sendable {
  package struct Entry: Sendable {
    package let description: TensorDescription
    /// Product of the shape.
    package let elementCount: Int
    /// Bytes of the file from the first to the last element.
    package let bytes: Range<Int>
    /// Elements from one index to the next, per dimension; nil where the tensor lies row-major without gaps. None is
    /// negative, and the farthest element ends where `bytes` do.
    package let strides: [Int]?

    package init(description: TensorDescription, elementCount: Int, bytes: Range<Int>, strides: [Int]? = nil) {
      self.description = description
      self.elementCount = elementCount
      self.bytes = bytes
      self.strides = strides
    }
  }

  private let path: String
  private let source: FileBytes
  private let entries: TextTable<Entry>

  package init(path: String, source: FileBytes, entries: TextTable<Entry>) {
    self.path = path
    self.source = source
    self.entries = entries
  }

  package var totalBytes: Int { source.size }

  package func description(of name: String) -> TensorDescription? { entries[name]?.description }

  /// See `MappedTensorStore`.
  package func mapped(_ name: String) -> MappedTensor? {
    guard let entry = entries[name], entry.strides == nil, entry.elementCount > 0, source.isMapped,
      entry.description.elementType.isReadableAsFloat
    else { return nil }
    return MappedTensor(
      elementType: entry.description.elementType, shape: entry.description.shape, file: source, bytes: entry.bytes)
  }

  /// See `TensorStore`.
  package func floats(_ name: String, shape: [Int]) throws(SafeTensorsError) -> [Float] {
    let entry = try floatEntry(name, shape: shape)
    return unsafe try widened(entry, try pieces(of: entry), elementCount: entry.elementCount, widen)
  }

  /// See `TensorStore`.
  package func doubles(_ name: String, shape: [Int]) throws(SafeTensorsError) -> [Double] {
    let entry = try floatEntry(name, shape: shape)
    guard entry.description.elementType == .f64 else { return try floats(name, shape: shape).map { Double($0) } }
    return unsafe try widened(entry, try pieces(of: entry), elementCount: entry.elementCount) { chunk, _, output in
      unsafe copyDoubles(chunk, to: output)
    }
  }

  /// See `TensorStore`. Of a tensor whose rows have gaps between their elements, the bytes of all rows are read.
  package func rows(_ name: String, indices: [Int], columns: Int) throws(SafeTensorsError) -> [Float] {
    let entry = try floatEntry(name)
    let shape = entry.description.shape
    guard shape.count == 2, shape[1] == columns else {
      throw failure(.shape, name, expected: "shape [any, \(columns)]", found: "\(shape)")
    }
    for index in indices where index < 0 || index >= shape[0] {
      throw failure(.rowIndex, name, expected: "a row from 0 to \(shape[0] - 1)", found: "\(index)")
    }
    let (elementCount, overflow) = indices.count.multipliedReportingOverflow(by: columns)
    guard !overflow else {
      throw failure(.overflow, name, expected: "fewer rows", found: "\(indices.count) rows of \(columns)")
    }
    guard elementCount > 0 else { return [] }
    let strides = entry.strides ?? [columns, 1]
    let starts = indices.map { $0 * strides[0] }
    guard strides[1] == 1 else {
      let gathered = try gathered(entry, starts: starts, shape: [columns], strides: [strides[1]])
      return unsafe try widened(entry, .gathered(gathered), elementCount: elementCount, widen)
    }
    let elementBytes = entry.description.elementType.bitWidth / 8
    let ranges = starts.map { start in
      let first = entry.bytes.lowerBound + start * elementBytes
      return first..<first + columns * elementBytes
    }
    return unsafe try widened(entry, .ranges(ranges), elementCount: elementCount, widen)
  }

  private func floatEntry(_ name: String, shape: [Int]) throws(SafeTensorsError) -> Entry {
    let entry = try floatEntry(name)
    guard entry.description.shape == shape else {
      throw failure(.shape, name, expected: "shape \(shape)", found: "\(entry.description.shape)")
    }
    return entry
  }

  private func floatEntry(_ name: String) throws(SafeTensorsError) -> Entry {
    guard let entry = entries[name] else {
      throw failure(.missingTensor, name, expected: "this tensor in the file", found: "none of this name")
    }
    let type = entry.description.elementType
    guard type.isReadableAsFloat else {
      throw failure(.notFloats, name, expected: "F64, F32, F16 or BF16", found: type.rawValue)
    }
    return entry
  }

  /// Whole elements in the order in which they are wanted.
  private enum Pieces {
    case ranges([Range<Int>])
    case gathered([UInt8])
  }

  private func pieces(of entry: Entry) throws(SafeTensorsError) -> Pieces {
    guard let strides = entry.strides else { return .ranges([entry.bytes]) }
    return .gathered(try gathered(entry, starts: [0], shape: entry.description.shape, strides: strides))
  }

  /// The elements of a view, packed: one after the other for each of `starts`, the elements of `shape` that begin there
  /// and lie `strides` apart, all counted in elements from the entry's first.
  private func gathered(
    _ entry: Entry, starts: [Int], shape: [Int], strides: [Int]
  ) throws(SafeTensorsError) -> [UInt8] {
    let region: [UInt8]
    do throws(FileError) { region = try source.bytes(entry.bytes) } catch { throw SafeTensorsError(error) }
    switch entry.description.elementType.bitWidth {
    case 16: return gather(UInt16.self, region, starts, shape, strides)
    case 32: return gather(UInt32.self, region, starts, shape, strides)
    default: return gather(UInt64.self, region, starts, shape, strides)
    }
  }

  /// - Parameter widen: as the function of that name.
  private func widened<Value: BinaryFloatingPoint>(
    _ entry: Entry, _ pieces: Pieces, elementCount: Int,
    _ widen: (UnsafeRawBufferPointer, ElementType, UnsafeMutablePointer<Value>) -> Bool
  ) throws(SafeTensorsError) -> [Value] {
    let type = entry.description.elementType
    do throws(FileError) {
      try source.checkMemory(for: elementCount * MemoryLayout<Value>.size)
    } catch { throw SafeTensorsError(error) }
    var failed: SafeTensorsError?
    let values = unsafe [Value](unsafeUninitializedCapacity: elementCount) { buffer, count in
      guard var output = buffer.baseAddress else { return }
      let convert = { (chunk: UnsafeRawBufferPointer) -> Bool in
        let isFinite = unsafe widen(chunk, type, output)
        let converted = chunk.count * 8 / type.bitWidth
        if !isFinite {
          let piece = unsafe UnsafeBufferPointer(start: output, count: converted)
          let index = unsafe piece.firstIndex { !$0.isFinite } ?? 0
          failed = unsafe nonFinite(entry, index: count + index, value: "\(piece[index])")
        }
        unsafe output += converted
        count += converted
        return isFinite
      }
      switch pieces {
      case .gathered(let bytes): _ = unsafe bytes.withUnsafeBytes(convert)
      case .ranges(let ranges):
        do throws(FileError) {
          for range in ranges where failed == nil { try unsafe source.forEachChunk(of: range, convert) }
        } catch {
          failed = SafeTensorsError(error)
        }
      }
    }
    if let failed { throw failed }
    return values
  }

  private func nonFinite(_ entry: Entry, index: Int, value: String) -> SafeTensorsError {
    failure(
      .nonFinite, entry.description.name, expected: "finite weights", found: "\(value) at element \(index)",
      remedy: "the weights are damaged; fetch or train them again")
  }

  private func failure(
    _ kind: SafeTensorsRule, _ name: String, expected: String, found: String,
    remedy: Message = "the file does not belong to this model or was converted wrongly"
  ) -> SafeTensorsError {
    SafeTensorsError(
      kind, file: path, place: "tensor \"\(name)\"", expected: expected, found: found, remedy: remedy)
  }
}

/// See `TensorData.gathered`; `region` holds whole elements of type `Element`.
private func gather<Element: FixedWidthInteger & BitwiseCopyable>(
  _: Element.Type, _ region: [UInt8], _ starts: [Int], _ shape: [Int], _ strides: [Int]
) -> [UInt8] {
  let width = MemoryLayout<Element>.size
  let count = shape.reduce(starts.count, *)
  guard count > 0 else { return [] }
  let inner = shape.last ?? 1
  let step = strides.last ?? 0
  let outer = shape.count - 1
  let farthest = zip(shape, strides).reduce(starts.max() ?? 0) { $0 + ($1.0 - 1) * $1.1 }
  precondition((farthest + 1) * width <= region.count)
  return unsafe [UInt8](unsafeUninitializedCapacity: count * width) { output, written in
    let target = UnsafeMutableRawBufferPointer(output)
    unsafe region.withUnsafeBytes { region in
      for start in starts {
        // An odometer over all dimensions but the last: no recursion, whatever their number.
        var index = [Int](repeating: 0, count: max(0, outer))
        var first = start
        var isDone = false
        while !isDone {
          for column in 0..<inner {
            let value = unsafe region.loadUnaligned(fromByteOffset: (first + column * step) * width, as: Element.self)
            unsafe target.storeBytes(of: value, toByteOffset: written, as: Element.self)
            written += width
          }
          isDone = true
          for dimension in index.indices.reversed() {
            index[dimension] += 1
            first += strides[dimension]
            if index[dimension] < shape[dimension] {
              isDone = false
              break
            }
            first -= shape[dimension] * strides[dimension]
            index[dimension] = 0
          }
        }
      }
    }
  }
}
