internal import CImageCodecs
import CSandbox
import Failures
import Files
import Glibc
import Processes
import Synchronization

/// Pictures are decoded in processes of their own that can do nothing else: what a hole in a format's library makes of
/// one sees no file, opens no connection, starts no program and writes into no memory of this process. What it says is
/// checked as a stranger's: a size is held against the limits, and pixels are as many as the size has.
///
/// A process takes one picture after another. Both sides send what is in memory here, in the machine's own order:
///
///     decoder: greeting
///     asker:   format, channels, count of bytes; bytes
///     decoder: status, width, height, words (their count first)
///     asker:   1 for the pixels, 0 for the next picture
///     decoder: status, words; pixels where the status is OK
package final class DecoderProcess: Codec, Sendable {
  /// Why a process gives no answer.
  struct Loss: Error, Equatable {
    let found: String
  }

  /// How such a process is started: a program, and the arguments at which it calls `serve`.
  package struct Start: Sendable, Equatable {
    package let executable: String
    package let arguments: [String]

    package init(executable: String, arguments: [String]) {
      self.executable = executable
      self.arguments = arguments
    }
  }

  private static let greeting: UInt64 = 0x6C65_6772_6164_0001
  private static let wordsLimit = 1 << 10

  private let process: pid_t
  private let input: Descriptor
  private let output: Descriptor

  /// Starts a process and waits until it is confined.
  init(_ start: Start) throws(Loss) {
    let null = Descriptor(unsafe open("/dev/null", O_WRONLY | O_CLOEXEC))
    guard null.number >= 0, let input = Pipe(), let output = Pipe(),
      let process = pid_t.spawning(
        start.executable, start.arguments, input: input.readEnd, output: output.writeEnd, errors: null)
    else { throw Loss(found: "the process cannot be started: \(systemMessage(errno))") }
    input.readEnd.close()
    output.writeEnd.close()
    self.process = process
    self.input = input.writeEnd
    self.output = output.readEnd
    guard try receive(UInt64.self) == Self.greeting else { throw end(found: "it is another program") }
  }

  func size(
    of bytes: [UInt8], _ request: CodecRequest
  ) throws(Loss) -> (answer: CodecAnswer, width: Int, height: Int) {
    try send([request.format == .png ? 0 : 1, UInt8(request.channels)])
    try send(UInt64(bytes.count))
    try send(bytes)
    let answer = try receiveAnswer()
    let (width, height) = (try receive(UInt32.self), try receive(UInt32.self))
    guard answer.status != LEGRAD_CODEC_OK || min(width, height) > 0 else { throw end(found: "a size of no pixels") }
    return (answer, Int(width), Int(height))
  }

  func pixels(
    of bytes: [UInt8], _ request: CodecRequest, width: Int, height: Int
  ) throws(Loss) -> (answer: CodecAnswer, pixels: [UInt8]) {
    try send([1])
    let answer = try receiveAnswer()
    guard answer.status == LEGRAD_CODEC_OK else { return (answer, []) }
    return (answer, try receive(count: width * height * request.channels))
  }

  func skipPixels() throws(Loss) { try send([0]) }

  /// Why it does not answer: how it ended, or `found` where it had to be made to.
  private func end(found: String? = nil) -> Loss {
    // Which it does by itself where its end of the pipe is closed: it is about to be over, or is.
    if found != nil { Glibc.kill(process, SIGKILL) }
    let ending = process.ending()
    if let found { return Loss(found: "its answer is not one: \(found)") }
    return switch ending {
    case .died(SIGSYS): Loss(found: "it asked the system for what decoding does not need, and was ended")
    case .died(let signal): Loss(found: "it ended by signal \(signal)")
    case .exited(let status): Loss(found: "it ended with \(status)")
    case .timedOut: Loss(found: "it did not answer")
    }
  }
}

extension DecoderProcess {
  private func receiveAnswer() throws(Loss) -> CodecAnswer {
    let status = legrad_codec_status(rawValue: try receive(UInt32.self))
    let known = [LEGRAD_CODEC_OK, LEGRAD_CODEC_CORRUPT, LEGRAD_CODEC_UNSUPPORTED, LEGRAD_CODEC_OUT_OF_MEMORY]
    guard known.contains(status) else { throw end(found: "status \(status.rawValue)") }
    let count = Int(try receive(UInt32.self))
    guard count <= Self.wordsLimit else { throw end(found: "\(count) bytes of words") }
    return CodecAnswer(status: status, words: String(decoding: try receive(count: count), as: UTF8.self))
  }

  private func send(_ number: UInt64) throws(Loss) { try send(Channel.bytes(of: number)) }

  private func send(_ bytes: [UInt8]) throws(Loss) {
    guard Channel.write(bytes, to: input.number) else { throw end() }
  }

  private func receive<Number: FixedWidthInteger>(_ type: Number.Type) throws(Loss) -> Number {
    Channel.number(try receive(count: MemoryLayout<Number>.size))
  }

  private func receive(count: Int) throws(Loss) -> [UInt8] {
    guard let bytes = Channel.read(count, from: output.number) else { throw end() }
    return bytes
  }
}

extension DecoderProcess {
  /// Confines this process and decodes for whoever has started it, over standard input and output, until standard input
  /// ends.
  /// - Returns: 0 at the end, or the system's errno where this process cannot be confined.
  package static func serve() -> Int32 {
    let failure = legrad_sandbox_enter()
    guard failure == 0 else { return failure }
    guard Channel.write(Channel.bytes(of: greeting), to: STDOUT_FILENO) else { return 0 }
    while serveOne(OwnCodec()) {}
    return 0
  }

  /// - Returns: whether there may be another.
  private static func serveOne(_ codec: OwnCodec) -> Bool {
    guard let head = Channel.read(2, from: STDIN_FILENO), let length = Channel.read(8, from: STDIN_FILENO),
      let bytes = Channel.read(Int(Channel.number(length) as UInt64), from: STDIN_FILENO)
    else { return false }
    let request = CodecRequest(format: head[0] == 0 ? .png : .jpeg, channels: Int(head[1]))
    let (sized, width, height) = codec.size(of: bytes, request)
    let size = Channel.bytes(of: UInt32(width)) + Channel.bytes(of: UInt32(height))
    guard Channel.write(packed(sized) + size, to: STDOUT_FILENO) else { return false }
    guard sized.status == LEGRAD_CODEC_OK else { return true }
    guard let wish = Channel.read(1, from: STDIN_FILENO) else { return false }
    guard wish == [1] else { return true }
    let (answer, pixels) = codec.pixels(of: bytes, request, width: width, height: height)
    return Channel.write(packed(answer), to: STDOUT_FILENO) && Channel.write(pixels, to: STDOUT_FILENO)
  }

  private static func packed(_ answer: CodecAnswer) -> [UInt8] {
    let words = Array(answer.words.utf8.prefix(wordsLimit))
    return Channel.bytes(of: answer.status.rawValue) + Channel.bytes(of: UInt32(words.count)) + words
  }
}

/// Numbers and bytes over a pipe.
private enum Channel {
  static func bytes<Number: FixedWidthInteger>(of number: Number) -> [UInt8] {
    unsafe withUnsafeBytes(of: number) { unsafe Array($0) }
  }

  /// - Parameter bytes: as many as the number has.
  static func number<Number: FixedWidthInteger>(_ bytes: [UInt8]) -> Number {
    unsafe bytes.withUnsafeBytes { unsafe $0.loadUnaligned(as: Number.self) }
  }

  /// - Returns: nil where the pipe ends before.
  static func read(_ count: Int, from descriptor: Int32) -> [UInt8]? {
    var isWhole = true
    let bytes = unsafe [UInt8](unsafeUninitializedCapacity: count) { buffer, filled in
      filled = 0
      while filled < count {
        let got = unsafe Glibc.read(descriptor, buffer.baseAddress?.advanced(by: filled), count - filled)
        if got < 0, errno == EINTR { continue }
        guard got > 0 else {
          isWhole = false
          return
        }
        filled += got
      }
    }
    return isWhole ? bytes : nil
  }

  /// - Returns: false where nobody reads.
  static func write(_ bytes: [UInt8], to descriptor: Int32) -> Bool {
    unsafe bytes.withUnsafeBytes { buffer in
      var written = 0
      while written < buffer.count {
        let count = unsafe Glibc.write(
          descriptor, buffer.baseAddress?.advanced(by: written), buffer.count - written)
        if count < 0, errno == EINTR { continue }
        guard count > 0 else { return false }
        written += count
      }
      return true
    }
  }
}

/// The processes that decode this process's pictures, once it was told to leave that to them.
package enum DecoderSandbox {
  private struct State {
    var start: DecoderProcess.Start?
    var idle: [DecoderProcess] = []
  }

  private static let state = Mutex(State())

  /// Leaves all pictures from here on to confined processes, of which one is started at once.
  /// - Throws: why none can be had here.
  package static func begin(_ start: DecoderProcess.Start) throws(ImageError) {
    do throws(DecoderProcess.Loss) {
      let first = try DecoderProcess(start)
      state.withLock { $0 = State(start: start, idle: [first]) }
    } catch {
      throw ImageError(
        .noSandbox, file: start.executable, place: "pictures cannot be decoded in a confined process here",
        expected: "a Linux kernel with seccomp filters, 4.14 or later", found: error.found,
        remedy: "leave \(Subject.sandbox) out where the pictures are trusted")
    }
  }

  /// A process that nobody else has meanwhile; nil where pictures are decoded in this one.
  static func take() throws(DecoderProcess.Loss) -> DecoderProcess? {
    let (start, idle) = state.withLock { ($0.start, $0.idle.popLast()) }
    if let idle { return idle }
    return try start.map { start throws(DecoderProcess.Loss) in try DecoderProcess(start) }
  }

  /// To be called with one that may take the next picture.
  static func giveBack(_ process: DecoderProcess) { state.withLock { $0.idle.append(process) } }
}
