extension Double {
  /// The number with a fixed count of decimal places, rounded half away from zero.
  func decimal(places: Int) -> String {
    guard isFinite else { return "\(self)" }
    var scale = 1.0
    for _ in 0..<places { scale *= 10 }
    let scaled = (magnitude * scale).rounded()
    guard scaled < 1e15 else { return "\(self)" }
    let digits = String(Int(scaled))
    let padded = String(repeating: "0", count: max(0, places + 1 - digits.count)) + digits
    let sign = self < 0 && scaled > 0 ? "-" : ""
    let point = padded.index(padded.endIndex, offsetBy: -places)
    return sign + padded[..<point] + (places > 0 ? "." + padded[point...] : "")
  }
}

extension Double {
  /// The number in powers of ten with a fixed count of digits: `1.2e-14`.
  func scientific(digits: Int) -> String {
    guard isFinite, self != 0 else { return isFinite ? "0" : "\(self)" }
    var exponent = 0
    var mantissa = magnitude
    while mantissa >= 10 {
      mantissa /= 10
      exponent += 1
    }
    while mantissa < 1 {
      mantissa *= 10
      exponent -= 1
    }
    var text = mantissa.decimal(places: digits - 1)
    if text.hasPrefix("10") {
      text = 1.0.decimal(places: digits - 1)
      exponent += 1
    }
    return (self < 0 ? "-" : "") + text + "e\(exponent)"
  }
}

extension Int {
  /// Bytes for people: `512 B`, `1.5 MiB`.
  var asBytes: String {
    var value = Double(self)
    for unit in ["B", "KiB", "MiB", "GiB"] {
      if value < 1024 { return value.decimal(places: unit == "B" ? 0 : 1) + " " + unit }
      value /= 1024
    }
    return value.decimal(places: 1) + " TiB"
  }

  /// With a comma between groups of three digits.
  var grouped: String {
    let digits = String(magnitude)
    var text = ""
    for (index, digit) in digits.enumerated() {
      if index > 0, (digits.count - index) % 3 == 0 { text += "," }
      text.append(digit)
    }
    return (self < 0 ? "-" : "") + text
  }
}

/// Rows of text in columns that line up.
struct ColumnTable {
  private let heading: [String]?
  private var rows: [[String]]

  init(_ heading: [String]? = nil) {
    self.heading = heading
    rows = heading.map { [$0] } ?? []
  }

  mutating func append(_ row: [String]) { rows.append(row) }

  /// Lines without trailing spaces, `indent` spaces before each.
  func lines(indent: Int = 0) -> [String] {
    let columns = rows.map(\.count).max() ?? 0
    let widths = (0..<columns).map { column in
      rows.map { column < $0.count ? $0[column].count : 0 }.max() ?? 0
    }
    return rows.enumerated().map { index, row in
      let cells = row.enumerated().map { column, text in
        column == row.count - 1 ? text : text + String(repeating: " ", count: widths[column] - text.count)
      }
      let line = String(repeating: " ", count: indent) + cells.joined(separator: "  ")
      return index == 0 && heading != nil ? Terminal.heading(line) : line
    }
  }
}
