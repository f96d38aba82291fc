public import Failures
import Files

/// One safetensors file, its header wholly checked when it is opened.
public final class SafeTensorsFile: TensorStore {
  public let path: String
  /// The strings of `__metadata__`.
  public let metadata: [String: String]
  public let tensors: [TensorDescription]

  private let source: FileBytes
  private let entries: [String: SafeTensorsHeader.Entry]

  public var files: [String] { [path] }
  public var totalBytes: Int { source.size }

  /// Opens the file at `path`.
  /// - Parameter mapped: maps the file, which is fastest. Without, it is read piece by piece: the choice for a file
  ///   that something else may shorten meanwhile, which a map answers with the end of the process.
  public init(path: String, mapped: Bool = true) throws(SafeTensorsError) {
    let prefix: [UInt8]
    do throws(FileError) {
      source = try FileBytes(path: path, mapped: mapped)
      prefix = try source.bytes(0..<min(8, source.size))
    } catch {
      throw SafeTensorsError(error)
    }
    let length = try SafeTensorsHeader.length(prefix: prefix, fileSize: source.size, file: path)
    let text: [UInt8]
    do throws(FileError) { text = try source.bytes(8..<8 + length) } catch { throw SafeTensorsError(error) }
    let header = try SafeTensorsHeader.parse(text, fileSize: source.size, file: path)
    self.path = path
    self.metadata = header.metadata
    self.entries = header.entries
    self.tensors = header.entries.values.map(\.description).sorted { $0.name < $1.name }
  }

  public func description(of name: String) -> TensorDescription? { entries[name]?.description }

  public func floats(_ name: String, shape: [Int]) throws(SafeTensorsError) -> [Float] {
    let entry = try floatEntry(name, shape: shape)
    return unsafe try widened(entry, [entry.bytes], elementCount: entry.elementCount, widen)
  }

  public func doubles(_ name: String, shape: [Int]) throws(SafeTensorsError) -> [Double] {
    let entry = try floatEntry(name, shape: shape)
    guard entry.description.elementType == .f64 else { return try floats(name, shape: shape).map { Double($0) } }
    return unsafe try widened(entry, [entry.bytes], elementCount: entry.elementCount) { chunk, _, output in
      unsafe copyDoubles(chunk, to: output)
    }
  }

  public func rows(_ name: String, indices: [Int], columns: Int) throws(SafeTensorsError) -> [Float] {
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
    let rowBytes = columns * entry.description.elementType.bitWidth / 8
    let ranges = indices.map { index in
      let start = entry.bytes.lowerBound + index * rowBytes
      return start..<start + rowBytes
    }
    return unsafe try widened(entry, ranges, elementCount: elementCount, widen)
  }

  private func floatEntry(_ name: String, shape: [Int]) throws(SafeTensorsError) -> SafeTensorsHeader.Entry {
    let entry = try floatEntry(name)
    guard entry.description.shape == shape else {
      throw failure(.shape, name, expected: "shape \(shape)", found: "\(entry.description.shape)")
    }
    return entry
  }

  private func floatEntry(_ name: String) throws(SafeTensorsError) -> SafeTensorsHeader.Entry {
    guard let entry = entries[name] else {
      throw failure(.missingTensor, name, expected: "this tensor in the file", found: "none of this name")
    }
    let type = entry.description.elementType
    guard type.isReadableAsFloat else {
      throw failure(.notFloats, name, expected: "F64, F32, F16 or BF16", found: type.rawValue)
    }
    return entry
  }

  /// - Parameter widen: as the function of that name.
  private func widened<Value: BinaryFloatingPoint>(
    _ entry: SafeTensorsHeader.Entry, _ ranges: [Range<Int>], elementCount: Int,
    _ widen: (UnsafeRawBufferPointer, ElementType, UnsafeMutablePointer<Value>) -> Bool
  ) throws(SafeTensorsError) -> [Value] {
    let type = entry.description.elementType
    var failed: SafeTensorsError?
    let values = unsafe [Value](unsafeUninitializedCapacity: elementCount) { buffer, count in
      guard var output = buffer.baseAddress else { return }
      do throws(FileError) {
        for range in ranges {
          try unsafe source.forEachChunk(of: range) { chunk in
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
          if failed != nil { return }
        }
      } catch {
        failed = SafeTensorsError(error)
      }
    }
    if let failed { throw failed }
    return values
  }

  private func nonFinite(_ entry: SafeTensorsHeader.Entry, index: Int, value: String) -> SafeTensorsError {
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
