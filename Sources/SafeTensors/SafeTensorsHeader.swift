import Failures
import StrictJSON
import Texts

/// What a header says of one tensor.
public struct TensorDescription: Equatable, Sendable {
  public let name: String
  public let shape: [Int]
  public let elementType: ElementType

  /// A tensor of `shape` (row-major) that stores `elementType`.
  public init(name: String, shape: [Int], elementType: ElementType) {
    self.name = name
    self.shape = shape
    self.elementType = elementType
  }

  /// Product of the shape, 1 for a scalar; nil when it overflows or a length is negative.
  public var elementCount: Int? {
    var count = 1
    for length in shape {
      let (product, overflow) = count.multipliedReportingOverflow(by: length)
      guard length >= 0, !overflow else { return nil }
      count = product
    }
    return count
  }

  /// Bytes in the file; nil when that overflows or does not fill whole bytes.
  public var byteCount: Int? { elementCount.flatMap { elementType.byteCount(of: $0) } }
}

/// The parsed and wholly checked header of a safetensors file: after `parse`, every tensor's byte range lies inside the
/// file, has exactly the size of its shape, and all ranges together cover the data once.
///
/// Format: 8 bytes little-endian header length, a JSON object `{name: {"dtype", "shape", "data_offsets": [begin, end]},
/// "__metadata__"?}`, then the data; offsets count from the end of the header.
struct SafeTensorsHeader: Sendable {
  /// The reference implementation's limit, in bytes.
  static let maximumLength = 100_000_000
  static let maximumDimensions = 32

  let entries: TextTable<TensorData.Entry>
  let metadata: TextTable<String>

  /// The header's length from the first 8 bytes, checked against the file's size.
  static func length(prefix: [UInt8], fileSize: Int, file: String) throws(SafeTensorsError) -> Int {
    guard fileSize > 8, prefix.count == 8 else {
      throw SafeTensorsError(
        .tooShort, file: file, place: "file size", expected: "more than 8 bytes", found: "\(fileSize)",
        remedy: "the file is empty or cut; fetch it again")
    }
    let length = prefix.reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
    let limit = min(maximumLength, fileSize - 8)
    guard length > 0, length <= UInt64(limit) else {
      throw SafeTensorsError(
        .headerLength, file: file, place: "header length", expected: "1 to \(limit) bytes", found: "\(length)",
        remedy: "the file is cut or not a safetensors file; fetch it again")
    }
    return Int(length)
  }

  /// Parses `text`, the header without its length, of a file of `fileSize` bytes.
  static func parse(_ text: [UInt8], fileSize: Int, file: String) throws(SafeTensorsError) -> SafeTensorsHeader {
    var object: TextTable<JSONValue>
    do {
      object = try JSONParser.parseHeader(text)
    } catch {
      throw SafeTensorsError(error, file: file, text: "header")
    }
    let reader = EntryReader(file: file, dataStart: 8 + text.count, fileSize: fileSize)
    let metadata = try object.removeValue(forKey: "__metadata__").map { value throws(SafeTensorsError) in
      try reader.metadata(value)
    }
    var entries: TextTable<TensorData.Entry> = [:]
    entries.reserveCapacity(object.count)
    for (name, value) in object { entries[name] = try reader.entry(name, value) }
    try reader.checkCoverage(entries.values)
    return SafeTensorsHeader(entries: entries, metadata: metadata ?? [:])
  }
}

/// Checks the members of a header, with the file's name at hand for the errors.
private struct EntryReader {
  let file: String
  let dataStart: Int
  let fileSize: Int

  func failure(_ kind: SafeTensorsRule, _ place: String, expected: String, found: String) -> SafeTensorsError {
    SafeTensorsError(
      kind, file: file, place: place, expected: expected, found: found,
      remedy: "the file is damaged or made by a faulty program; fetch or convert it again")
  }

  func metadata(_ value: JSONValue) throws(SafeTensorsError) -> TextTable<String> {
    guard case .object(let members) = value else {
      throw failure(.metadata, "__metadata__", expected: "an object of strings", found: value.summary)
    }
    var metadata: TextTable<String> = [:]
    for (key, value) in members {
      guard case .string(let text) = value else {
        throw failure(.metadata, "__metadata__ \"\(key)\"", expected: "a string", found: value.summary)
      }
      metadata[key] = text
    }
    return metadata
  }

  func entry(_ name: String, _ value: JSONValue) throws(SafeTensorsError) -> TensorData.Entry {
    guard !name.unicodeScalars.contains(where: { $0.properties.generalCategory == .control }) else {
      throw failure(.tensorName, "tensor \"\(name)\"", expected: "a name without control characters", found: "one")
    }
    let place = "tensor \"\(name)\""
    guard case .object(let members) = value else {
      throw failure(
        .syntax, place, expected: "an object with dtype, shape and data_offsets", found: value.summary)
    }
    for key in members.keys where !["dtype", "shape", "data_offsets"].contains(where: key.isSame) {
      throw failure(.syntax, place, expected: "only dtype, shape and data_offsets", found: "\"\(key)\"")
    }
    guard case .string(let typeName)? = members["dtype"] else {
      throw failure(
        .elementType, place + " dtype", expected: "a string", found: members["dtype"]?.summary ?? "nothing")
    }
    guard let type = ElementType.allCases.first(where: { $0.rawValue.isSame(as: typeName) }) else {
      let known = ElementType.allCases.map(\.rawValue).joined(separator: " ")
      throw failure(.elementType, place + " dtype", expected: "one of \(known)", found: "\"\(typeName)\"")
    }
    let shape = try integers(members["shape"], place + " shape")
    guard shape.count <= SafeTensorsHeader.maximumDimensions else {
      throw failure(
        .limit, place + " shape", expected: "at most \(SafeTensorsHeader.maximumDimensions) dimensions",
        found: "\(shape.count)")
    }
    let description = TensorDescription(name: name, shape: shape, elementType: type)
    guard let elementCount = description.elementCount, let byteCount = type.byteCount(of: elementCount) else {
      throw failure(
        .overflow, place + " shape", expected: "a whole number of bytes below 2^63", found: "\(shape) of \(typeName)")
    }
    let offsets = try integers(members["data_offsets"], place + " data_offsets")
    guard offsets.count == 2 else {
      throw failure(.syntax, place + " data_offsets", expected: "[begin, end]", found: "\(offsets.count) numbers")
    }
    return TensorData.Entry(
      description: description, elementCount: elementCount,
      bytes: try range(begin: offsets[0], end: offsets[1], byteCount: byteCount, place + " data_offsets"))
  }

  private func range(begin: Int, end: Int, byteCount: Int, _ place: String) throws(SafeTensorsError) -> Range<Int> {
    guard begin <= end else {
      throw failure(.offsetOrder, place, expected: "begin ≤ end", found: "[\(begin), \(end)]")
    }
    let dataSize = fileSize - dataStart
    guard end <= dataSize else {
      throw failure(.outOfFile, place, expected: "an end of at most \(dataSize) bytes", found: "\(end)")
    }
    guard end - begin == byteCount else {
      throw failure(.byteCount, place, expected: "\(byteCount) bytes for its shape", found: "\(end - begin)")
    }
    return dataStart + begin..<dataStart + end
  }

  private func integers(_ value: JSONValue?, _ place: String) throws(SafeTensorsError) -> [Int] {
    guard case .array(let elements)? = value else {
      throw failure(.syntax, place, expected: "an array of integers", found: value?.summary ?? "nothing")
    }
    var integers: [Int] = []
    integers.reserveCapacity(elements.count)
    for element in elements {
      guard case .integer(let integer) = element, integer >= 0 else {
        throw failure(.number, place, expected: "integers from 0 to 2^63 - 1", found: element.summary)
      }
      integers.append(integer)
    }
    return integers
  }

  /// The ranges, in order, must touch: no byte twice, none left over.
  func checkCoverage(_ entries: some Collection<TensorData.Entry>) throws(SafeTensorsError) {
    let ordered = entries.sorted {
      ($0.bytes.lowerBound, $0.bytes.upperBound) < ($1.bytes.lowerBound, $1.bytes.upperBound)
    }
    var covered = dataStart
    for entry in ordered {
      let begin = entry.bytes.lowerBound
      guard begin == covered else {
        throw failure(
          begin < covered ? .overlap : .gap, "tensor \"\(entry.description.name)\" data_offsets",
          expected: "a begin of \(covered - dataStart), where the previous tensor ends", found: "\(begin - dataStart)")
      }
      covered = entry.bytes.upperBound
    }
    guard covered == fileSize else {
      throw failure(
        .uncoveredTail, "end of data", expected: "a file of \(covered) bytes", found: "\(fileSize)")
    }
  }
}
