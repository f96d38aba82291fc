import CLeGradHeader

/// A struct of the header that begins with its size and its version.
protocol SizedStruct {
  var size: Int { get set }
  var version: UInt32 { get set }
}

extension legrad_memory_model: @unsafe SizedStruct {}
extension legrad_model_info: SizedStruct {}
extension legrad_options: @unsafe SizedStruct {}
extension legrad_device_info: @unsafe SizedStruct {}
extension legrad_request: @unsafe SizedStruct {}
extension legrad_map_info: SizedStruct {}
extension legrad_overlay_style: @unsafe SizedStruct {}

/// Bytes of `size` and `version`.
private let headBytes = MemoryLayout<Int>.size + MemoryLayout<UInt32>.size

/// Size of the caller's struct, checked.
private func callersSize(_ start: UnsafeRawPointer, _ name: String) throws(Failure) -> Int {
  let size = unsafe start.loadUnaligned(as: Int.self)
  let version = unsafe start.loadUnaligned(fromByteOffset: MemoryLayout<Int>.size, as: UInt32.self)
  // A sizeof of these is a multiple of a pointer's, so that no field is there by half.
  guard version > 0, size >= headBytes, size <= 1 << 16, size % MemoryLayout<Int>.size == 0 else {
    throw Failure(
      LEGRAD_USAGE,
      "\(name): expected size and version of the struct, found \(size) and \(version); start from LEGRAD_…_INIT")
  }
  return size
}

/// The caller's struct; what an older caller's lacks is zero.
/// - Parameter name: of the parameter, for errors.
func read<Struct: SizedStruct>(_ pointer: UnsafePointer<Struct>?, _ name: String) throws(Failure) -> Struct {
  guard let pointer = unsafe pointer else {
    throw Failure(LEGRAD_USAGE, "\(name): expected a struct, found NULL; give one that starts from LEGRAD_…_INIT")
  }
  let start = unsafe UnsafeRawPointer(pointer)
  let size = try unsafe callersSize(start, name)
  let known = MemoryLayout<Struct>.size
  let tail = unsafe UnsafeRawBufferPointer(start: start + min(known, size), count: max(0, size - known))
  guard unsafe tail.allSatisfy({ $0 == 0 }) else {
    throw Failure(
      LEGRAD_USAGE,
      "\(name): expected the fields of version \(LEGRAD_ABI_VERSION), found more that are set; use a newer liblegrad")
  }
  return unsafe withUnsafeTemporaryAllocation(byteCount: known, alignment: MemoryLayout<Struct>.alignment) { bytes in
    _ = unsafe bytes.initializeMemory(as: UInt8.self, repeating: 0)
    unsafe bytes.copyMemory(from: UnsafeRawBufferPointer(start: start, count: min(size, known)))
    return unsafe bytes.load(as: Struct.self)
  }
}

/// Fills in the fields that the caller's struct has.
func fill<Struct: SizedStruct>(
  _ pointer: UnsafeMutablePointer<Struct>?, _ name: String, _ set: (inout Struct) -> Void
) throws(Failure) {
  var filled = try unsafe read(UnsafePointer(pointer), name)
  let (size, version) = (filled.size, filled.version)
  set(&filled)
  (filled.size, filled.version) = (size, version)
  guard let pointer = unsafe pointer else { return }
  unsafe withUnsafeBytes(of: &filled) { bytes in
    unsafe UnsafeMutableRawPointer(pointer).copyMemory(
      from: bytes.baseAddress!, byteCount: min(size, MemoryLayout<Struct>.size))
  }
}
