import CZlib
import Failures

/// Unpacks one gzip member (RFC 1952) held in memory.
enum Gunzip {
  private static let chunk = 1 << 16

  /// - Parameters:
  ///   - file: the path for error messages.
  ///   - limit: the largest output in bytes; nothing beyond it is ever allocated.
  /// - Throws: `.badGzip` for damaged, cut-off or trailing data, `.tooLarge` beyond `limit`.
  static func unpack(_ packed: [UInt8], file: String, limit: Int) throws(TokenizerError) -> [UInt8] {
    guard packed.count <= UInt32.max else {
      throw TokenizerError.tooLarge(file, limit: limit, found: "\(packed.count)")
    }
    var input = packed
    var output: [UInt8] = []
    var window = [UInt8](repeating: 0, count: chunk)
    var stream = unsafe z_stream()
    // 15 bits of window; 16 more ask for the gzip wrapper and its checksum.
    guard unsafe inflateInit2_(&stream, 15 + 16, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size)) == Z_OK else {
      throw TokenizerError.badGzip(file, found: "zlib that does not start")
    }
    defer { unsafe inflateEnd(&stream) }

    let outcome: Result<Void, TokenizerError> = unsafe input.withUnsafeMutableBufferPointer { source in
      unsafe stream.next_in = source.baseAddress
      unsafe stream.avail_in = UInt32(source.count)
      while true {
        let status = unsafe window.withUnsafeMutableBufferPointer { target in
          unsafe stream.next_out = target.baseAddress
          unsafe stream.avail_out = UInt32(target.count)
          return unsafe inflate(&stream, Z_NO_FLUSH)
        }
        let produced = unsafe chunk - Int(stream.avail_out)
        guard produced <= limit - output.count else {
          return .failure(.tooLarge(file, limit: limit, found: "gzip data that unpack to more"))
        }
        output += window[..<produced]
        switch status {
        case Z_STREAM_END:
          let rest = unsafe stream.avail_in
          return rest == 0 ? .success(()) : .failure(.badGzip(file, found: "\(rest) bytes after its end"))
        case Z_OK where unsafe produced > 0 || stream.avail_in > 0:
          continue
        case Z_OK, Z_BUF_ERROR:
          return .failure(.badGzip(file, found: "data that end early"))
        default:
          return .failure(.badGzip(file, found: "damaged data (zlib status \(status))"))
        }
      }
    }
    try outcome.get()
    return output
  }
}
