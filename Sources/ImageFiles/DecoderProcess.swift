internal import CImageCodecs
import Failures
import Glibc
package import Processes
import Synchronization

/// Pictures are decoded in processes of their own that can do nothing else: what a hole in a format's library makes of
/// one sees no file, opens no connection, starts no program and writes into no memory of this process. What it says is
/// checked as a stranger's: a size is held against the limits, and pixels are as many as the size has.
///
/// A process takes one picture after another. Numbers are sent as `messageBytes` has them:
///
///     decoder: greeting
///     asker:   format, channels, count of bytes; bytes
///     decoder: status, words (their count first), width, height
///     asker:   1 for the pixels, 0 for the next picture
///     decoder: status, words; pixels where the status is OK
package final class DecoderProcess: Codec, Sendable {
  /// Why a process gives no answer.
  struct Loss: Error, Equatable {
    let found: String
  }

  private static let greeting: UInt64 = 0x6C65_6772_6164_0001
  private static let wordsLimit = 1 << 10
  /// For a size or its pixels. The largest picture in 500 scans takes minutes.
  private static let timeLimit: Duration = .seconds(1_200)

  private let process: AnsweringProcess

  /// Starts a process, which calls `serve`, and waits until it is confined.
  init(_ start: AnsweringProcess.Start) throws(Loss) {
    guard let process = AnsweringProcess(start) else {
      throw Loss(found: "none that the system starts")
    }
    self.process = process
    try ask([])
    guard try receive(UInt64.self) == Self.greeting else { throw senseless("it is another program") }
  }

  func size(
    of bytes: [UInt8], _ request: CodecRequest
  ) throws(Loss) -> (answer: CodecAnswer, width: Int, height: Int) {
    try ask([request.format.number, UInt8(request.channels)] + UInt64(bytes.count).messageBytes)
    try ask(bytes)
    let answer = try receiveAnswer()
    let (width, height) = (try receive(UInt32.self), try receive(UInt32.self))
    guard answer.status != LEGRAD_CODEC_OK || min(width, height) > 0 else { throw senseless("a size of no pixels") }
    return (answer, Int(width), Int(height))
  }

  func pixels(
    of bytes: [UInt8], _ request: CodecRequest, width: Int, height: Int
  ) throws(Loss) -> (answer: CodecAnswer, pixels: [UInt8]) {
    try ask([1])
    let answer = try receiveAnswer()
    guard answer.status == LEGRAD_CODEC_OK else { return (answer, []) }
    return (answer, try receive(count: width * height * request.channels))
  }

  func skipPixels() throws(Loss) { try ask([0]) }
}

extension DecoderProcess {
  private func receiveAnswer() throws(Loss) -> CodecAnswer {
    let status = legrad_codec_status(rawValue: try receive(UInt32.self))
    guard status.rawValue <= LEGRAD_CODEC_NO_THREAD.rawValue else { throw senseless("status \(status.rawValue)") }
    let count = Int(try receive(UInt32.self))
    guard count <= Self.wordsLimit else { throw senseless("\(count) bytes of words") }
    return CodecAnswer(status: status, words: String(decoding: try receive(count: count), as: UTF8.self))
  }

  private func ask(_ bytes: [UInt8]) throws(Loss) {
    do throws(AnsweringProcess.Failure) { try process.ask(bytes, within: Self.timeLimit) } catch {
      throw Self.loss(error)
    }
  }

  private func receive<Number: FixedWidthInteger>(_ type: Number.Type) throws(Loss) -> Number {
    Number(messageBytes: try receive(count: MemoryLayout<Number>.size))
  }

  private func receive(count: Int) throws(Loss) -> [UInt8] {
    do throws(AnsweringProcess.Failure) { return try process.receive(count) } catch { throw Self.loss(error) }
  }

  private func senseless(_ answer: String) -> Loss {
    _ = process.giveUp()
    return Loss(found: "its answer is not one: \(answer)")
  }

  private static func loss(_ failure: AnsweringProcess.Failure) -> Loss {
    switch failure {
    case .ended(.died(SIGSYS)): Loss(found: "it asked the system for what decoding does not need, and was ended")
    case .ended(.died(let signal)): Loss(found: "it ended by signal \(signal)")
    case .ended(.exited(let status)): Loss(found: "it ended with \(status)")
    case .ended(.timedOut): Loss(found: "it did not answer within \(Int(timeLimit / .seconds(1))) s")
    case .senseless: Loss(found: "its answer is not one")
    }
  }
}

extension DecoderProcess {
  /// Confines this process and decodes for whoever has started it, over standard input, until that ends.
  /// - Returns: 0 at the end, or the system's errno where this process cannot be confined.
  package static func serve() -> Int32 {
    legrad_codec_open_libraries()
    // A picture may decode to more than its header says, which not every version of every library finds out before it takes
    // the memory. Then it is refused, or this process ends, and no other.
    OwnLimits.apply(data: max(0, MemoryAllowance.available()))
    let failure = OwnLimits.confine()
    guard failure == 0 else { return failure }
    AskingProcess.send(greeting.messageBytes)
    while serveOne(OwnCodec()) {}
    return 0
  }

  /// - Returns: whether there may be another.
  private static func serveOne(_ codec: OwnCodec) -> Bool {
    guard let head = AskingProcess.receive(2), let length = AskingProcess.receive(8),
      let picture = AskingProcess.receive(Int(clamping: UInt64(messageBytes: length))),
      let format = ImageFormat(number: head[0])
    else { return false }
    let request = CodecRequest(format: format, channels: Int(head[1]))
    let (sized, width, height) = codec.size(of: picture, request)
    AskingProcess.send(packed(sized) + UInt32(width).messageBytes + UInt32(height).messageBytes)
    guard sized.status == LEGRAD_CODEC_OK else { return true }
    guard let wish = AskingProcess.receive(1) else { return false }
    guard wish == [1] else { return true }
    let (answer, pixels) = codec.pixels(of: picture, request, width: width, height: height)
    AskingProcess.send(packed(answer))
    AskingProcess.send(pixels)
    return true
  }

  private static func packed(_ answer: CodecAnswer) -> [UInt8] {
    let words = Array(answer.words.utf8.prefix(wordsLimit))
    return answer.status.rawValue.messageBytes + UInt32(words.count).messageBytes + words
  }
}

/// The processes that decode this process's pictures, once it was told to leave that to them.
package enum DecoderSandbox {
  private struct State {
    var start: AnsweringProcess.Start?
    var idle: [DecoderProcess] = []
  }

  private static let state = Mutex(State())

  /// Leaves all pictures from here on to confined processes, of which one is started at once.
  /// - Throws: why none can be had here.
  package static func begin(_ start: AnsweringProcess.Start) throws(ImageError) {
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
