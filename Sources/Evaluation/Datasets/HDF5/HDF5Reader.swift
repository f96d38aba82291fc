import Failures
import Files
import Glibc
import LeGrad
import Processes
import Synchronization

/// Arrays in an HDF5 file from strangers.
///
/// The HDF5 library follows whatever a file says of its own structure, and a damaged file leads it out of its memory or
/// around in circles. So it works in a process of its own, which has the one file open and may open nothing else, write
/// nothing, and take a bounded amount of memory and time; where the kernel has filters of system calls, it can ask for
/// nothing but memory (`HDF5Service`). An array at which it crashes or that it does not find in time
/// is an error, and the next one is read by a new process.
///
/// One thread at a time is served.
final class HDF5Reader: Sendable {
  let path: String
  /// In bytes.
  let size: Int
  private let starting: AnsweringProcess.Start
  private let header: [UInt8]
  private let timeLimit: Duration
  let process: Mutex<AnsweringProcess?>

  /// A picture takes some milliseconds.
  static let defaultTimeLimit: Duration = .seconds(60)

  /// - Parameters:
  ///   - start: what runs `HDF5Service`.
  ///   - timeLimit: for one array.
  init(
    path: String, _ start: AnsweringProcess.Start, timeLimit: Duration = defaultTimeLimit
  ) throws(LeGradError) {
    self.path = path
    starting = start
    self.timeLimit = timeLimit
    do throws(FileError) {
      let file = try FileBytes(path: path, mapped: false)
      size = file.size
      header = try file.bytes(0..<min(size, Leftover.startSize))
    } catch { throw LeGradError(error) }
    process = Mutex(nil)
    let opened = try startProcess()
    process.withLock { $0 = opened }
  }

  /// Reads a whole array.
  /// - Parameters:
  ///   - place: what errors call it.
  ///   - rank: how many dimensions it must have.
  ///   - limit: how many elements it may have; at least one is expected.
  func array<Element: HDF5Element>(
    of type: Element.Type, at location: HDF5Location, place: String, rank: Int, limit: Int
  ) throws(LeGradError) -> HDF5Array<Element> {
    try process.withLock { process throws(LeGradError) -> Result<HDF5Array<Element>, HDF5Fault> in
      let reader: AnsweringProcess
      if let running = process, !running.hasEnded { reader = running } else { reader = try startProcess() }
      process = reader
      let request = HDF5Request.array(Element.type, location, rank: rank, limit: limit)
      do throws(AnsweringProcess.Failure) {
        switch try answer(of: reader, to: request) {
        case .fault(let fault): return .failure(fault)
        case .shape(let shape):
          guard shape.count == rank, let count = Self.count(shape, limit: limit) else { throw reader.giveUp() }
          return .success(HDF5Array(shape: shape, values: try values(reader, count: count)))
        case .opened, .noLibrary: throw reader.giveUp()
        }
      } catch { return .failure(Self.fault(of: error, timeLimit)) }
    }.mapError { fault(place, $0) }.get()
  }

  private func values<Element: HDF5Element>(
    _ reader: AnsweringProcess, count: Int
  ) throws(AnsweringProcess.Failure) -> [Element] {
    var values = [Element](repeating: .zero, count: count)
    var failure: AnsweringProcess.Failure?
    unsafe values.withUnsafeMutableBytes { bytes in
      do throws(AnsweringProcess.Failure) { try unsafe reader.receive(into: bytes) } catch { failure = error }
    }
    if let failure { throw failure }
    return values
  }

  private func answer(
    of reader: AnsweringProcess, to request: HDF5Request
  ) throws(AnsweringProcess.Failure) -> HDF5Answer {
    try reader.ask(request.bytes, within: timeLimit)
    let size = UInt64(messageBytes: try reader.receive(8))
    guard size <= HDF5Answer.limit, let answer = HDF5Answer(try reader.receive(Int(size))) else {
      throw reader.giveUp()
    }
    return answer
  }

  /// The elements of an array; nil for a shape that the other process was not to answer.
  private static func count(_ shape: [Int], limit: Int) -> Int? {
    shape.reduce(1) { count, length in
      count.flatMap { length > 0 && length <= limit / $0 ? $0 * length : nil }
    }
  }

  /// Starts a process that has the file open.
  private func startProcess() throws(LeGradError) -> AnsweringProcess {
    guard let reader = AnsweringProcess(starting) else {
      throw Evaluation.fault(
        "HDF5 library", expected: "a process of its own", found: "none that the system starts",
        remedy: "end other programs, or raise the limit of processes (ulimit -u)")
    }
    let answer: HDF5Answer
    do throws(AnsweringProcess.Failure) {
      answer = try self.answer(of: reader, to: .open(path: FilePath(path).bytes))
    } catch { throw fault(nil, Self.fault(of: error, timeLimit)) }
    switch answer {
    case .opened: return reader
    case .noLibrary(let fault):
      throw Evaluation.fault(
        "HDF5 library", expected: fault.expected, found: fault.found, remedy: Message(fault.remedy))
    case .fault(let fault): throw refusal(fault)
    case .shape: throw fault(nil, Self.fault(of: reader.giveUp(), timeLimit))
    }
  }

  func fault(_ place: String?, _ fault: HDF5Fault) -> LeGradError {
    Evaluation.fault(path, place, expected: fault.expected, found: fault.found, remedy: Message(fault.remedy))
  }

  func fault(_ place: String, expected: String, found: String) -> LeGradError {
    fault(place, HDF5Fault(expected: expected, found: found))
  }

  /// What the end of the other process says of the file.
  private static func fault(of failure: AnsweringProcess.Failure, _ timeLimit: Duration) -> HDF5Fault {
    let found =
      switch failure {
      case .ended(.timedOut): "one in which the HDF5 library is busy for more than \(Int(timeLimit / .seconds(1))) s"
      case .ended(.died(SIGSYS)): "one at which the HDF5 library asks the system for what reading does not need"
      case .ended(.died(let signal)): "one at which the HDF5 library crashes (signal \(signal))"
      case .ended(.exited(let status)): "one at which the HDF5 library ends its process (exit code \(status))"
      case .senseless: "one at which the HDF5 library says what makes no sense"
      }
    return HDF5Fault(expected: "data that the HDF5 library reads", found: found)
  }

  private func refusal(_ fault: HDF5Fault) -> LeGradError {
    let expected = "an HDF5 file (MATLAB 7.3)"
    if let leftover = Leftover(header, fromText: false) {
      return Evaluation.fault(path, expected: expected, found: leftover.found, remedy: leftover.remedy)
    }
    if header.starts(with: "MATLAB 5.0".utf8) {
      return Evaluation.fault(
        path, expected: expected, found: "a MATLAB 5.0 file", remedy: "save it in MATLAB with -v7.3")
    }
    return Evaluation.fault(path, expected: expected, found: fault.found, remedy: Message(fault.remedy))
  }
}
