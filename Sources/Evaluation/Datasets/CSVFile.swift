import Failures
import Files
package import LeGrad
import Texts

/// A row of a CSV file: the columns that were asked for.
package struct CSVRow {
  fileprivate let file: String
  fileprivate let columns: [String]
  /// Fields of all columns, one after the other.
  fileprivate let record: [UInt8]
  /// Where each asked-for column's field lies in `record`.
  fileprivate let fields: [Range<Int>]
  /// The line on which the row starts, from 1.
  let line: Int

  /// The field of the asked-for column `column`, without its quotes.
  func bytes(_ column: Int) -> ArraySlice<UInt8> { record[fields[column]] }

  package func text(_ column: Int) throws(LeGradError) -> String {
    guard let text = String(validating: bytes(column), as: UTF8.self) else {
      throw error(column, expected: "UTF-8 text", found: "other bytes")
    }
    return text
  }

  /// A number in [0, 1].
  func fraction(_ column: Int) throws(LeGradError) -> Double {
    let text = try text(column)
    guard let value = Double(text), (0...1).contains(value) else {
      throw error(column, expected: "a number from 0 to 1", found: text.isEmpty ? "nothing" : text)
    }
    return value
  }

  package func error(_ column: Int, expected: String, found: String) -> LeGradError {
    fault(
      file, "line \(line), column \(columns[column])", expected: expected, found: found,
      remedy: "correct the line or fetch the file again")
  }
}

/// Reads CSV files (RFC 4180) row by row, so that their size does not matter.
package enum CSVFile {
  private static let byteOrderMark: [UInt8] = [0xEF, 0xBB, 0xBF]

  /// Calls `body` with each row under the header line, in order.
  ///
  /// Columns are found by their names in the header, in any order; others are skipped. Fields may be quoted and then
  /// hold commas and line ends; lines end in LF or CRLF; a byte order mark is skipped, and so are empty lines. Every
  /// row must have as many fields as the header.
  package static func forEachRow(
    of path: String, columns: [String], _ body: (CSVRow) throws(LeGradError) -> Void
  ) throws(LeGradError) {
    var failure: LeGradError?
    var reader = CSVReader(file: path, columns: columns)
    do throws(FileError) {
      let file = try FileBytes(path: path, mapped: false)
      let hasMark = try file.bytes(0..<min(byteOrderMark.count, file.size)) == byteOrderMark
      try unsafe file.forEachChunk(of: (hasMark ? byteOrderMark.count : 0)..<file.size) { chunk in
        do throws(LeGradError) { try unsafe reader.read(chunk, body) } catch { failure = error }
        return failure == nil
      }
    } catch { throw LeGradError(error) }
    if let failure { throw failure }
    try reader.finish(body)
  }
}

private enum CSVState {
  /// At the start of a field, in a plain one, in a quoted one, after a quote inside it, after CR behind a quoted one.
  case start, plain, quoted, quote, carriageReturn
}

private struct CSVReader {
  let file: String
  let columns: [String]
  /// Places of `columns` in the header; nil before it has been read.
  var places: [Int]?
  var headerCount = 0

  var state = CSVState.start
  var record: [UInt8] = []
  var starts: [Int] = [0]
  var line = 1
  var rowLine = 1

  private static let rowLimit = 1 << 20
  private static let fieldLimit = 1_000

  mutating func read(
    _ bytes: UnsafeRawBufferPointer, _ body: (CSVRow) throws(LeGradError) -> Void
  ) throws(LeGradError) {
    for index in 0..<bytes.count {
      let byte = unsafe bytes[index]
      switch (state, byte) {
      case (.start, UInt8(ascii: "\"")): state = .quoted
      case (.quoted, UInt8(ascii: "\"")): state = .quote
      case (.quote, UInt8(ascii: "\"")):
        record.append(byte)
        state = .quoted
      case (.quoted, _):
        record.append(byte)
        if byte == UInt8(ascii: "\n") { line += 1 }
      case (.start, UInt8(ascii: ",")), (.plain, UInt8(ascii: ",")), (.quote, UInt8(ascii: ",")):
        starts.append(record.count)
        state = .start
      case (_, UInt8(ascii: "\n")):
        if state == .plain, record.last == UInt8(ascii: "\r") { record.removeLast() }
        try endRow(body)
        line += 1
        rowLine = line
        state = .start
      case (.quote, UInt8(ascii: "\r")): state = .carriageReturn
      case (.quote, _), (.carriageReturn, _):
        throw error(expected: "a comma or a line end after a quoted field", found: "other text")
      default:
        record.append(byte)
        state = .plain
      }
      guard record.count <= Self.rowLimit, starts.count <= Self.fieldLimit else {
        throw error(expected: "at most \(Self.fieldLimit) fields and \(Self.rowLimit) bytes in a row", found: "more")
      }
    }
  }

  /// Ends a last row that has no line end.
  mutating func finish(_ body: (CSVRow) throws(LeGradError) -> Void) throws(LeGradError) {
    guard state != .quoted else { throw error(expected: "a closing quote", found: "the end of the file") }
    if state == .plain, record.last == UInt8(ascii: "\r") { record.removeLast() }
    try endRow(body)
    guard places != nil else {
      throw error(expected: "a header with the columns \(columns.joined(separator: ", "))", found: "nothing")
    }
  }

  private mutating func endRow(_ body: (CSVRow) throws(LeGradError) -> Void) throws(LeGradError) {
    defer {
      record.removeAll(keepingCapacity: true)
      starts.removeAll(keepingCapacity: true)
      starts.append(0)
    }
    if record.isEmpty, starts.count == 1 { return }
    guard let places else { return try readHeader() }
    guard starts.count == headerCount else {
      throw error(expected: "\(headerCount) fields, as in the header", found: "\(starts.count)")
    }
    let fields = places.map { starts[$0]..<($0 + 1 < starts.count ? starts[$0 + 1] : record.count) }
    try body(CSVRow(file: file, columns: columns, record: record, fields: fields, line: rowLine))
  }

  private mutating func readHeader() throws(LeGradError) {
    headerCount = starts.count
    let names = starts.indices.map { index in
      let end = index + 1 < starts.count ? starts[index + 1] : record.count
      return String(decoding: record[starts[index]..<end], as: UTF8.self)
    }
    var found: [Int] = []
    for column in columns {
      let matches = names.indices.filter { names[$0].isSame(as: column) }
      guard let place = matches.first, matches.count == 1 else {
        throw error(
          expected: "one column named \(column)", found: matches.isEmpty ? names.joined(separator: ", ") : "several")
      }
      found.append(place)
    }
    places = found
  }

  private func error(expected: String, found: String) -> LeGradError {
    fault(file, "line \(rowLine)", expected: expected, found: found, remedy: "correct the line or fetch the file again")
  }
}
