public import Failures
import Files
import StrictJSON
import Texts

/// Writes a safetensors file tensor by tensor. The file appears under its name, whole and on the disk, when `finish`
/// returns; until then, and if the writer is dropped before, there is nothing but a hidden temporary file that is
/// removed.
public struct SafeTensorsWriter: ~Copyable {
  public let path: String
  private let tensors: [TensorDescription]
  private let overwrite: Bool
  private let output: TemporaryFile
  private var written = 0

  private static let elementsPerPiece = 1 << 18

  /// Starts a file at `path` with `tensors`, stored in that order.
  /// - Throws: `exists` when there is a file and `overwrite` is false; `duplicateKey`, `tensorName`, `elementType` or
  ///   `overflow` for tensors that cannot be stored; `cannotWrite`.
  public init(
    path: String, tensors: [TensorDescription], metadata: [String: String] = ["format": "pt"], overwrite: Bool = false
  ) throws(SafeTensorsError) {
    let header = try Self.header(tensors, metadata: metadata, path: path)
    output = try Self.start(path, header: header, overwrite: overwrite)
    self.path = path
    self.tensors = tensors
    self.overwrite = overwrite
  }

  /// The tensor whose values `append` takes next; nil when all are written.
  public var next: TensorDescription? { written < tensors.count ? tensors[written] : nil }

  /// Stores the values of `next`, row-major, rounded to nearest even in a 16-bit type.
  /// - Throws: `shape` for a wrong number of values, `nonFinite` for a NaN, an infinity or a number too large for the
  ///   type, `cannotWrite`.
  public mutating func append(_ values: [Float]) throws(SafeTensorsError) {
    guard let tensor = next else {
      throw failure(.shape, "end of file", expected: "no more tensors", found: "\(values.count) values")
    }
    guard values.count == tensor.elementCount else {
      throw failure(
        .shape, "tensor \"\(tensor.name)\"", expected: "values for shape \(tensor.shape)",
        found: "\(values.count) values")
    }
    let width = tensor.elementType.bitWidth / 8
    let capacity = max(1, min(Self.elementsPerPiece, values.count)) * width
    let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: capacity, alignment: 64)
    defer { unsafe buffer.deallocate() }
    var start = 0
    while start < values.count {
      let end = min(start + Self.elementsPerPiece, values.count)
      if let index = unsafe narrow(values[start..<end], tensor.elementType, to: buffer.baseAddress!) {
        throw failure(
          .nonFinite, "tensor \"\(tensor.name)\"", expected: "values that \(tensor.elementType.rawValue) holds",
          found: "\(values[start + index]) at element \(start + index)")
      }
      do throws(FileError) {
        try unsafe output.write(UnsafeRawBufferPointer(rebasing: buffer[..<((end - start) * width)]))
      } catch {
        throw SafeTensorsError(error)
      }
      start = end
    }
    written += 1
  }

  private static func start(
    _ path: String, header: [UInt8], overwrite: Bool
  ) throws(SafeTensorsError) -> TemporaryFile {
    do throws(FileError) {
      if !overwrite, FileTree.exists(path) { throw .exists(path) }
      let output = try TemporaryFile(target: path)
      try output.write(header)
      return output
    } catch {
      throw SafeTensorsError(error)
    }
  }

  /// Makes the file appear under its name.
  /// - Throws: `shape` when tensors are missing, `exists` when a file appeared meanwhile, `cannotWrite`.
  public consuming func finish() throws(SafeTensorsError) {
    if let tensor = next {
      throw failure(.shape, "tensor \"\(tensor.name)\"", expected: "its values", found: "none")
    }
    do throws(FileError) {
      try output.commit(overwrite: overwrite, durably: true)
    } catch {
      throw SafeTensorsError(error)
    }
  }

  /// Writes a whole file, asking `values` for each tensor in turn.
  public static func write(
    path: String, tensors: [TensorDescription], metadata: [String: String] = ["format": "pt"], overwrite: Bool = false,
    values: (TensorDescription) throws(SafeTensorsError) -> [Float]
  ) throws(SafeTensorsError) {
    var writer = try SafeTensorsWriter(path: path, tensors: tensors, metadata: metadata, overwrite: overwrite)
    while let tensor = writer.next { try writer.append(try values(tensor)) }
    try writer.finish()
  }

  private func failure(
    _ kind: SafeTensorsRule, _ place: String, expected: String, found: String
  ) -> SafeTensorsError {
    SafeTensorsError(
      kind, file: path, place: place, expected: expected, found: found, remedy: "nothing was written under this name")
  }

  /// Length and text of the header, padded with spaces so that the data starts at a multiple of 8.
  private static func header(
    _ tensors: [TensorDescription], metadata: [String: String], path: String
  ) throws(SafeTensorsError) -> [UInt8] {
    func failure(_ kind: SafeTensorsRule, _ name: String, expected: String, found: String) -> SafeTensorsError {
      SafeTensorsError(
        kind, file: path, place: "tensor \"\(name)\"", expected: expected, found: found,
        remedy: "nothing was written")
    }
    var members: [String] = []
    if !metadata.isEmpty {
      let pairs = metadata.sorted { $0.key < $1.key }.map { quoted($0.key) + ":" + quoted($0.value) }
      members.append("\"__metadata__\":{" + pairs.joined(separator: ",") + "}")
    }
    var names: Set<TextKey> = []
    var offset = 0
    for tensor in tensors {
      guard !tensor.name.isSame(as: "__metadata__"), names.insert(TextKey(tensor.name)).inserted else {
        throw failure(.duplicateKey, tensor.name, expected: "every name once", found: "it twice")
      }
      guard !tensor.name.unicodeScalars.contains(where: { $0.properties.generalCategory == .control }) else {
        throw failure(.tensorName, tensor.name, expected: "a name without control characters", found: "one")
      }
      guard tensor.elementType.isWritable else {
        throw failure(.elementType, tensor.name, expected: "F32, F16 or BF16", found: tensor.elementType.rawValue)
      }
      guard let bytes = tensor.byteCount, !offset.addingReportingOverflow(bytes).overflow else {
        throw failure(.overflow, tensor.name, expected: "fewer than 2^63 bytes", found: "shape \(tensor.shape)")
      }
      let shape = tensor.shape.map(String.init).joined(separator: ",")
      members.append(
        quoted(tensor.name) + ":{\"dtype\":\"\(tensor.elementType.rawValue)\",\"shape\":[\(shape)],"
          + "\"data_offsets\":[\(offset),\(offset + bytes)]}")
      offset += bytes
    }
    var text = Array(("{" + members.joined(separator: ",") + "}").utf8)
    text.append(contentsOf: repeatElement(UInt8(ascii: " "), count: (8 - text.count % 8) % 8))
    guard text.count <= SafeTensorsHeader.maximumLength else {
      throw failure(
        .headerLength, "", expected: "a header of at most \(SafeTensorsHeader.maximumLength) bytes",
        found: "\(text.count)")
    }
    return (0..<8).map { UInt8(truncatingIfNeeded: text.count >> ($0 * 8)) } + text
  }
}
