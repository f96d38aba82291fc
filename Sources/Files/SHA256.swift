import CSHA256

/// SHA-256 (FIPS 180-4) of bytes that come in pieces.
package struct SHA256 {
  package init() {}

  private var state: [UInt32] = [
    0x6A09_E667, 0xBB67_AE85, 0x3C6E_F372, 0xA54F_F53A, 0x510E_527F, 0x9B05_688C, 0x1F83_D9AB, 0x5BE0_CD19,
  ]
  private var pending: [UInt8] = []
  private var byteCount: UInt64 = 0

  package mutating func update(_ bytes: UnsafeRawBufferPointer) {
    byteCount += UInt64(bytes.count)
    var start = 0
    if !pending.isEmpty {
      start = min(64 - pending.count, bytes.count)
      unsafe pending.append(contentsOf: bytes[..<start])
      guard pending.count == 64 else { return }
      unsafe pending.withUnsafeBytes { unsafe Self.compress($0, into: &state) }
      pending.removeAll(keepingCapacity: true)
    }
    let end = bytes.count - (bytes.count - start) % 64
    unsafe Self.compress(UnsafeRawBufferPointer(rebasing: bytes[start..<end]), into: &state)
    unsafe pending.append(contentsOf: bytes[end...])
  }

  /// The hash in lower-case hexadecimal.
  package consuming func finish() -> String {
    let bits = byteCount * 8
    var tail = pending + [0x80]
    tail += [UInt8](repeating: 0, count: (120 - tail.count % 64) % 64)
    for shift in stride(from: UInt64(56), through: 0, by: -8) { tail.append(UInt8(truncatingIfNeeded: bits >> shift)) }
    unsafe tail.withUnsafeBytes { unsafe Self.compress($0, into: &state) }
    return state.map { word in
      let digits = String(word, radix: 16)
      return String(repeating: "0", count: 8 - digits.count) + digits
    }.joined()
  }

  /// Takes in whole blocks of 64 bytes.
  private static func compress(_ blocks: UnsafeRawBufferPointer, into state: inout [UInt32]) {
    guard let start = blocks.baseAddress else { return }
    unsafe legrad_sha256_compress(&state, start.assumingMemoryBound(to: UInt8.self), blocks.count / 64)
  }
}

extension SHA256 {
  package mutating func update(_ bytes: [UInt8]) { unsafe bytes.withUnsafeBytes { unsafe update($0) } }

  /// The hash of a list of fields, in lower-case hexadecimal. Each has its length before it, so that no two lists are the
  /// same bytes.
  package static func hash(of fields: some Sequence<String>) -> String {
    var hash = SHA256()
    var bytes: [UInt8] = []
    for field in fields {
      bytes += String(field.utf8.count).utf8
      bytes.append(UInt8(ascii: ":"))
      bytes += field.utf8
      guard bytes.count >= gathered else { continue }
      hash.update(bytes)
      bytes.removeAll(keepingCapacity: true)
    }
    hash.update(bytes)
    return hash.finish()
  }

  /// Bytes that are taken in at once, as many short fields as a call for each would be slow for.
  private static let gathered = 1 << 12
}
