import CLeGradHeader
import Glibc

/// What C holds by an opaque pointer.
final class Held<Value: Sendable>: Sendable {
  let value: Value
  /// The process that made it. Threads and locks of another one, whose fork this process is, are not there.
  private let process = getpid()

  init(_ value: Value) { self.value = value }

  var isOfThisProcess: Bool { process == getpid() }

  /// A pointer that keeps this alive until it is freed.
  var handle: OpaquePointer { unsafe OpaquePointer(Unmanaged.passRetained(self).toOpaque()) }

  /// What a pointer holds.
  static func of(_ handle: OpaquePointer) -> Held {
    unsafe Unmanaged<Held>.fromOpaque(UnsafeRawPointer(handle)).takeUnretainedValue()
  }

  /// What a pointer that a request needs holds.
  /// - Parameter name: of the parameter, for errors.
  static func required(_ handle: OpaquePointer?, _ name: String) throws(Failure) -> Held {
    guard let handle = unsafe handle else {
      throw Failure(LEGRAD_USAGE, "\(name): expected a pointer to an object, found NULL; make one first")
    }
    return unsafe of(handle)
  }

  /// Lets go of what a pointer holds. In the child of a process nothing happens: what is freed there waits for threads.
  static func free(_ handle: OpaquePointer?) {
    guard let handle = unsafe handle, unsafe of(handle).isOfThisProcess else { return }
    unsafe Unmanaged<Held>.fromOpaque(UnsafeRawPointer(handle)).release()
  }
}

/// A text that C reads where it lies, for as long as this lives.
@safe final class LastingText: @unchecked Sendable {
  // Written before anybody else sees it, and never again.
  private let bytes: UnsafeMutableBufferPointer<CChar>

  init(_ text: String) {
    let utf8 = text.utf8.map { CChar(bitPattern: $0) }
    unsafe bytes = .allocate(capacity: utf8.count)
    _ = unsafe bytes.initialize(from: utf8)
  }

  deinit { unsafe bytes.deallocate() }

  var text: legrad_text { unsafe legrad_text(bytes: UnsafePointer(bytes.baseAddress), length: bytes.count) }

  /// Text that is not there.
  static var absent: legrad_text { unsafe legrad_text(bytes: nil, length: 0) }
}

extension legrad_text {
  /// The text; nil where it is absent.
  /// - Parameter name: what errors call it.
  func read(_ name: String) throws(Failure) -> String? {
    guard let bytes = try unsafe bytes(name) else { return nil }
    guard let text = String(validating: bytes, as: UTF8.self) else {
      throw Failure(LEGRAD_USAGE, "\(name): expected UTF-8, found other bytes; encode the text as UTF-8")
    }
    return text
  }

  /// The same for one that may be empty.
  func readPresent(_ name: String) throws(Failure) -> String { try unsafe read(name) ?? "" }

  /// The same of a text that is bytes for somebody else.
  func bytes(_ name: String) throws(Failure) -> [UInt8]? {
    guard unsafe length != 0 else { return nil }
    // A length that C took from a number below zero is no room in memory.
    guard unsafe length > 0 else {
      throw Failure(LEGRAD_USAGE, "\(name): expected a length below 2^63, found \(unsafe UInt(bitPattern: length))")
    }
    guard let start = unsafe bytes else {
      throw Failure(
        LEGRAD_USAGE, "\(name): expected \(unsafe length) bytes, found NULL; give the text or a length of 0")
    }
    return unsafe UnsafeBufferPointer(start: start, count: length).map { UInt8(bitPattern: $0) }
  }
}

/// Texts of a list of C's.
func readTexts(_ texts: UnsafePointer<legrad_text>?, _ count: Int, _ name: String) throws(Failure) -> [String] {
  guard count != 0 else { return [] }
  try refuseNegative(count, name)
  guard let texts = unsafe texts else {
    throw Failure(LEGRAD_USAGE, "\(name): expected \(count) texts, found NULL; give as many as are counted")
  }
  var result: [String] = []
  for index in 0..<count { result.append(try unsafe texts[index].readPresent("\(name)[\(index)]")) }
  return result
}

/// Refuses a count that C took from a number below zero.
func refuseNegative(_ count: Int, _ name: String) throws(Failure) {
  guard count < 0 else { return }
  throw Failure(LEGRAD_USAGE, "\(name): expected a count below 2^63, found \(UInt(bitPattern: count))")
}

/// Writes as much of a text as has room.
/// - Returns: all of its bytes.
func write(_ text: String, to buffer: UnsafeMutablePointer<CChar>?, capacity: Int) -> Int {
  let bytes = Array(text.utf8)
  if let buffer = unsafe buffer {
    for index in 0..<max(0, min(capacity, bytes.count)) { unsafe buffer[index] = CChar(bitPattern: bytes[index]) }
  }
  return bytes.count
}

/// Fills a buffer of numbers.
func write<Number>(
  _ values: [Number], to buffer: UnsafeMutablePointer<Number>?, count: Int, shape: String
) throws(Failure) {
  try unsafe room(for: values.count, in: buffer, count: count, shape: shape)?.update(from: values, count: count)
}

/// A buffer that has room for so many numbers and no others; nil for none.
func room<Number>(
  for expected: Int, in buffer: UnsafeMutablePointer<Number>?, count: Int, shape: String
) throws(Failure) -> UnsafeMutablePointer<Number>? {
  guard count == expected else {
    throw Failure(
      LEGRAD_USAGE, "count: expected \(expected) numbers, \(shape), found \(count); give a buffer of that size")
  }
  guard count > 0 else { return nil }
  guard let buffer = unsafe buffer else {
    throw Failure(LEGRAD_USAGE, "buffer: expected room for \(count) numbers, found NULL; give a buffer of that size")
  }
  return unsafe buffer
}

/// A number of C's that is no size in memory.
func exact(_ number: UInt64, _ name: String) throws(Failure) -> Int {
  guard let size = Int(exactly: number) else {
    throw Failure(LEGRAD_USAGE, "\(name): expected a number below 2^63, found \(number)")
  }
  return size
}
