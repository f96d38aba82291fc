import LeGrad
import TestSupport
import Testing

@testable import Evaluation

@Suite("CSV")
struct CSVFileTests {
  private func rows(_ text: String, columns: [String] = ["b", "a"]) throws -> [[String]] {
    let scratch = try ScratchFolder()
    let path = try scratch.write(Array(text.utf8), "file.csv")
    var rows: [[String]] = []
    try CSVFile.forEachRow(of: path, columns: columns) { row throws(LeGradError) in
      var fields: [String] = []
      for column in columns.indices { fields.append(try row.text(column)) }
      rows.append(fields + ["\(row.line)"])
    }
    return rows
  }

  @Test("columns by name, in any order; quotes, line ends, mark, empty lines, no last line end")
  func reading() throws {
    #expect(try rows("a,b\n1,2\n3,4\n") == [["2", "1", "2"], ["4", "3", "3"]])
    #expect(try rows("\u{FEFF}x,\"b\",a\r\n,2,1\r\n\r\n0,\"4\",\"3\"") == [["2", "1", "2"], ["4", "3", "4"]])
    #expect(try rows("a,b\n\"1,\"\"\n\",\"\"\n,\n") == [["", "1,\"\n", "2"], ["", "", "4"]])
    // A quote inside a plain field is a character, and so is CR.
    #expect(try rows("a,b\n5\" x,a\rb\n") == [["a\rb", "5\" x", "2"]])
    #expect(try rows("a,b\n") == [])
  }

  @Test("rows that lie across the pieces in which a file is read")
  func pieces() throws {
    let filler = String(repeating: "x", count: 997)
    let text = "a,b\n" + (0..<3_000).map { "\(filler)\($0),\"\(filler)\"\"\"\r\n" }.joined()
    let rows = try rows(text)
    #expect(rows.count == 3_000)
    #expect(rows.enumerated().allSatisfy { $1 == [filler + "\"", "\(filler)\($0)", "\($0 + 2)"] })
  }

  @Test(
    "what is wrong is named with its line",
    arguments: [
      ("", "line 1: expected a header with the columns b, a, found nothing"),
      ("a,c\n1,2\n", "line 1: expected one column named b, found a, c"),
      ("a,b,a\n1,2,3\n", "line 1: expected one column named a, found several"),
      ("a,b\n1,2\n3\n", "line 3: expected 2 fields, as in the header, found 1"),
      ("a,b\n1,2,3\n", "line 2: expected 2 fields, as in the header, found 3"),
      ("a,b\n1,\"2\n3,4\n", "line 2: expected a closing quote, found the end of the file"),
      ("a,b\n1,\"2\"3\n", "line 2: expected a comma or a line end after a quoted field, found other text"),
      ("a,b\n\"x\ny\",1\n1,\"2\"\r3\n", "line 4: expected a comma or a line end after a quoted field"),
    ])
  func malformed(text: String, reason: String) {
    let message = failure { _ = try rows(text) }
    #expect(message?.contains(reason) == true, "\(message ?? "no error")")
  }

  @Test("rows without end are refused before memory is")
  func limits() {
    let long = failure { _ = try rows("a,b\n\"" + String(repeating: "x", count: 2 << 20)) }
    #expect(long?.contains("line 2: expected at most 1000 fields and 1048576 bytes in a row") == true)
    let wide = failure { _ = try rows("a,b\n" + String(repeating: ",", count: 2_000)) }
    #expect(wide?.contains("line 2: expected at most 1000 fields") == true)
  }

  @Test("text that is no UTF-8")
  func notUTF8() throws {
    let scratch = try ScratchFolder()
    let path = try scratch.write(Array("a\n".utf8) + [0xFF, 0x0A], "file.csv")
    let message = failure {
      try CSVFile.forEachRow(of: path, columns: ["a"]) { row throws(LeGradError) in _ = try row.text(0) }
    }
    #expect(message?.contains("file.csv: line 2, column a: expected UTF-8 text") == true)
  }
}
