/// The first `limit` scalars of text from a file, made fit for one line of a terminal: what is no visible character is
/// written `\u{…}`, and a byte that is not UTF-8 `\x…`.
package func printable(_ text: String, limit: Int) -> String {
  var line = ""
  for (count, scalar) in text.unicodeScalars.enumerated() {
    if count == limit {
      line += "…"
      break
    }
    if let byte = UndecodedByte.byte(scalar) {
      line += UndecodedByte.shown(byte)
      continue
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
