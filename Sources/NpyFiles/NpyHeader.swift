import Failures
import Files

/// The header of a `.npy` file, version 1.0 or 2.0: magic bytes, version, length, and a Python dictionary with the keys
/// `descr`, `fortran_order` and `shape`.
struct NpyHeader: Equatable {
  static let magic: [UInt8] = [0x93, 0x4E, 0x55, 0x4D, 0x50, 0x59]
  static let maximumDimensions = 32

  /// NumPy's type string, such as `<f4`.
  let typeString: String
  let isFortranOrder: Bool
  let shape: [Int]
  /// Where the data starts, in bytes.
  let dataOffset: Int

  static func parse(_ bytes: [UInt8], file: String) throws(NpyError) -> NpyHeader {
    func failure(_ kind: NpyRule, _ place: String, expected: String, found: String) -> NpyError {
      NpyError(
        kind, file: file, place: place, expected: expected, found: found,
        remedy: "save the array again with numpy.save")
    }
    guard bytes.count >= 10, bytes.starts(with: magic) else {
      if let leftover = Leftover(Array(bytes.prefix(Leftover.startSize)), fromText: false) {
        throw NpyError(
          .notNpy, file: file, place: "start of file", expected: "a .npy file", found: leftover.found,
          remedy: leftover.remedy)
      }
      throw failure(.notNpy, "start of file", expected: "a .npy file", found: "other bytes")
    }
    let lengthBytes: Int
    switch (bytes[6], bytes[7]) {
    case (1, 0): lengthBytes = 2
    case (2, 0): lengthBytes = 4
    default: throw failure(.version, "version", expected: "1.0 or 2.0", found: "\(bytes[6]).\(bytes[7])")
    }
    let start = 8 + lengthBytes
    guard bytes.count >= start else {
      throw failure(.notNpy, "header length", expected: "\(lengthBytes) bytes", found: "the end of the file")
    }
    let length = bytes[8..<start].reversed().reduce(0) { $0 << 8 | Int($1) }
    guard length <= bytes.count - start else {
      throw failure(.notNpy, "header", expected: "\(length) bytes", found: "\(bytes.count - start)")
    }
    var scanner = NpyHeaderScanner(text: Array(bytes[start..<start + length]))
    guard let header = scanner.header(dataOffset: start + length) else {
      throw failure(
        .header, "header byte \(scanner.position)",
        expected: "{'descr': '<f4', 'fortran_order': False, 'shape': (…), }", found: "something else")
    }
    return header
  }
}

/// Reads the one dictionary that NumPy writes; anything else is nil with `position` at the fault.
private struct NpyHeaderScanner {
  let text: [UInt8]
  var position = 0

  init(text: [UInt8]) { self.text = text }

  mutating func header(dataOffset: Int) -> NpyHeader? {
    var typeString: String?
    var isFortranOrder: Bool?
    var shape: [Int]?
    guard take("{") else { return nil }
    while !take("}") {
      guard let key = string(), take(":") else { return nil }
      switch key {
      case "descr" where typeString == nil:
        typeString = string()
        if typeString == nil { return nil }
      case "fortran_order" where isFortranOrder == nil:
        if take("True") { isFortranOrder = true } else if take("False") { isFortranOrder = false } else { return nil }
      case "shape" where shape == nil:
        shape = tuple()
        if shape == nil { return nil }
      default: return nil
      }
      if !take(",") {
        guard take("}") else { return nil }
        break
      }
    }
    skipSpaces()
    guard position == text.count, let typeString, let isFortranOrder, let shape else { return nil }
    return NpyHeader(
      typeString: typeString, isFortranOrder: isFortranOrder, shape: shape, dataOffset: dataOffset)
  }

  private mutating func skipSpaces() {
    while position < text.count, text[position] == 0x20 || text[position] == 0x0A { position += 1 }
  }

  private mutating func take(_ word: String) -> Bool {
    skipSpaces()
    guard text[position...].starts(with: word.utf8) else { return false }
    position += word.utf8.count
    return true
  }

  private mutating func string() -> String? {
    guard take("'") else { return nil }
    let start = position
    while position < text.count, text[position] != UInt8(ascii: "'") {
      guard text[position] > 0x20, text[position] < 0x7F, text[position] != UInt8(ascii: "\\") else { return nil }
      position += 1
    }
    guard position < text.count else { return nil }
    defer { position += 1 }
    return String(decoding: text[start..<position], as: UTF8.self)
  }

  private mutating func tuple() -> [Int]? {
    guard take("(") else { return nil }
    var lengths: [Int] = []
    var hasComma = true
    while !take(")") {
      guard hasComma, let length = integer(), lengths.count < NpyHeader.maximumDimensions else { return nil }
      lengths.append(length)
      hasComma = take(",")
    }
    // "(3)" is a number in Python, "(3,)" a tuple.
    return lengths.count == 1 && !hasComma ? nil : lengths
  }

  private mutating func integer() -> Int? {
    skipSpaces()
    let start = position
    while position < text.count, text[position] >= 0x30, text[position] <= 0x39 { position += 1 }
    return Int(String(decoding: text[start..<position], as: UTF8.self))
  }
}
