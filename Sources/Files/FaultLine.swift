/// What is wrong with a file in one line of a terminal: `file: place: expected …, found …; remedy`. Control characters
/// are escaped and long parts cut.
package func faultLine(
  file: String, place: String? = nil, expected: String, found: String, remedy: String
) -> String {
  var line = printable(file, limit: 4_096) + ": "
  if let place { line += printable(place, limit: 200) + ": " }
  line += "expected \(printable(expected, limit: 600)), found \(printable(found, limit: 200)); "
  return line + printable(remedy, limit: 1_200)
}

/// The first `limit` scalars of text from a file, made fit for one line of a terminal: what is no visible character is
/// written `\u{…}`.
package func printable(_ text: String, limit: Int) -> String {
  var line = ""
  for (count, scalar) in text.unicodeScalars.enumerated() {
    if count == limit {
      line += "…"
      break
    }
    switch scalar.properties.generalCategory {
    case .control, .format, .lineSeparator, .paragraphSeparator, .unassigned, .privateUse:
      line += "\\u{" + String(scalar.value, radix: 16) + "}"
    default:
      line.unicodeScalars.append(scalar)
    }
  }
  return line
}
