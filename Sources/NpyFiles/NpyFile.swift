import Failures
import Files

/// Reads and writes NumPy's `.npy` files: versions 1.0 and 2.0, little-endian, C order.
package enum NpyFile {
  /// The largest file that is read, in bytes.
  static let maximumBytes = 4 << 30

  /// An array of `<f4` or `<f8`, the latter rounded to the nearest Float32. NaN and infinities pass.
  package static func readFloats(_ path: String) throws(NpyError) -> NpyArray<Float> {
    let file = try load(path, types: ["<f4", "<f8"])
    if file.header.typeString == "<f4" { return file.array { Float(bitPattern: $0) } }
    return file.array { (bits: UInt64) in Float(Double(bitPattern: bits)) }
  }

  /// An array of `<f8` or `<f4`.
  package static func readDoubles(_ path: String) throws(NpyError) -> NpyArray<Double> {
    let file = try load(path, types: ["<f8", "<f4"])
    if file.header.typeString == "<f8" { return file.array { Double(bitPattern: $0) } }
    return file.array { (bits: UInt32) in Double(Float(bitPattern: bits)) }
  }

  /// An array of `<i8` or `<i4`.
  package static func readInts(_ path: String) throws(NpyError) -> NpyArray<Int> {
    let file = try load(path, types: ["<i8", "<i4"])
    if file.header.typeString == "<i8" { return file.array { (bits: UInt64) in Int(Int64(bitPattern: bits)) } }
    return file.array { (bits: UInt32) in Int(Int32(bitPattern: bits)) }
  }

  /// An array of `|u1` (bytes).
  package static func readBytes(_ path: String) throws(NpyError) -> NpyArray<UInt8> {
    try load(path, types: ["|u1"]).array { (bits: UInt8) in bits }
  }

  /// Writes `array` as `<f4`, version 1.0. The file appears whole or not at all and replaces one of the same name.
  package static func write(_ array: NpyArray<Float>, to path: String) throws(NpyError) {
    let bytes = try bytes(of: array, path: path)
    do throws(FileError) { try AtomicFile.write(bytes, to: path) } catch { throw NpyError(error) }
  }

  /// The file of `array`, as `write` writes it.
  /// - Parameter path: what errors call it.
  package static func bytes(of array: NpyArray<Float>, path: String) throws(NpyError) -> [UInt8] {
    let lengths = array.shape.map(String.init).joined(separator: ", ")
    let shape = array.shape.count == 1 ? "(\(lengths),)" : "(\(lengths))"
    var text = "{'descr': '<f4', 'fortran_order': False, 'shape': \(shape), }"
    // The data starts at a multiple of 64 bytes; the header ends with a line end.
    text += String(repeating: " ", count: (64 - (11 + text.utf8.count) % 64) % 64) + "\n"
    guard array.shape.count <= NpyHeader.maximumDimensions else {
      throw NpyError(
        .shape, file: path, place: "shape", expected: "at most \(NpyHeader.maximumDimensions) dimensions",
        found: "\(array.shape.count)", remedy: "nothing was written")
    }
    var bytes = NpyHeader.magic + [1, 0, UInt8(text.utf8.count & 0xFF), UInt8(text.utf8.count >> 8)] + text.utf8
    bytes.reserveCapacity(bytes.count + array.values.count * 4)
    #if _endian(little)
      unsafe array.values.withUnsafeBytes { unsafe bytes.append(contentsOf: $0) }
    #else
      for value in array.values { withUnsafeBytes(of: value.bitPattern.littleEndian) { bytes.append(contentsOf: $0) } }
    #endif
    return bytes
  }

  /// A checked file of one of `types`.
  private static func load(_ path: String, types: [String]) throws(NpyError) -> LoadedNpy {
    let bytes: [UInt8]
    do throws(FileError) { bytes = try WholeFile.read(path, limit: maximumBytes) } catch { throw NpyError(error) }
    let header = try NpyHeader.parse(bytes, file: path)
    func failure(_ kind: NpyRule, _ place: String, expected: String, found: String, remedy: Message) -> NpyError {
      NpyError(kind, file: path, place: place, expected: expected, found: found, remedy: remedy)
    }
    guard types.contains(header.typeString) else {
      throw failure(
        .elementType, "descr", expected: types.joined(separator: " or "), found: header.typeString,
        remedy: "convert it with numpy.astype and save it again")
    }
    guard !header.isFortranOrder else {
      throw failure(
        .fortranOrder, "fortran_order", expected: "False (C order)", found: "True",
        remedy: "save numpy.ascontiguousarray(array) instead")
    }
    // The type strings that are read end with their width in bytes.
    var byteCount = header.typeString.last?.wholeNumberValue ?? 1
    for length in header.shape {
      let (product, overflow) = byteCount.multipliedReportingOverflow(by: length)
      guard !overflow else {
        throw failure(
          .shape, "shape", expected: "fewer than 2^63 bytes", found: "\(header.shape)",
          remedy: "the file is damaged; save the array again")
      }
      byteCount = product
    }
    guard bytes.count - header.dataOffset == byteCount else {
      throw failure(
        .size, "data", expected: "\(byteCount) bytes for shape \(header.shape)",
        found: "\(bytes.count - header.dataOffset)", remedy: "the file is cut or damaged; save the array again")
    }
    return LoadedNpy(header: header, bytes: bytes)
  }
}

/// A file whose size is that of its shape.
private struct LoadedNpy {
  let header: NpyHeader
  let bytes: [UInt8]

  func array<Bits: FixedWidthInteger, Element: Sendable & Equatable>(
    _ convert: (Bits) -> Element
  ) -> NpyArray<Element> {
    let width = Bits.bitWidth / 8
    let count = (bytes.count - header.dataOffset) / width
    let values = unsafe bytes.withUnsafeBytes { buffer in
      (0..<count).map { index in
        unsafe convert(
          Bits(littleEndian: buffer.loadUnaligned(fromByteOffset: header.dataOffset + index * width, as: Bits.self)))
      }
    }
    return NpyArray(shape: header.shape, values: values)
  }
}
