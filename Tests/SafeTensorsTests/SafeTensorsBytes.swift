/// A file with this header text and `data` zero bytes.
func safeTensors(_ header: String, data: Int = 0) -> [UInt8] {
  let text = Array(header.utf8)
  return (0..<8).map { UInt8(truncatingIfNeeded: text.count >> ($0 * 8)) } + text + [UInt8](repeating: 0, count: data)
}
