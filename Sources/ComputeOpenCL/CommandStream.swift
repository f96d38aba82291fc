import Compute
import Glibc
import OpenCLRuntime

/// The queue of a backend and what its commands need, used by one operation at a time.
final class CommandStream {
  private let queue: OpenCLQueue
  private let streaming: WeightStreaming?
  private let library: KernelLibrary
  private let memory: DeviceMemory
  /// Host memory that uploads on their way still read.
  private var inFlight: [HostCopy] = []
  private var scratch: [String: OpenCLBuffer] = [:]
  private var staging: [String: OpenCLBuffer] = [:]
  /// What was launched since the last wait; kept where the queue profiles.
  private var launched: [(kernel: String, event: OpenCLEvent)] = []
  private(set) var profile: [String: KernelTime] = [:]
  /// What one thread records instead of launching it.
  private var recording: Recording?
  /// What was recorded, for as long as the memory is there that it uses.
  private var recorded: [Int: Recording] = [:]
  private var recordingCount = 0
  private(set) var launches = 0
  private(set) var enqueues = 0
  private(set) var waits = 0

  /// - Parameter streaming: for a backend whose grouped weights are not always on the device.
  init(_ queue: OpenCLQueue, library: KernelLibrary, memory: DeviceMemory, streaming: WeightStreaming?) {
    self.queue = queue
    self.library = library
    self.memory = memory
    self.streaming = streaming
  }

  /// Commands that are on their way still read host memory that goes with this. Copies whose end cannot be awaited are
  /// left behind.
  deinit {
    guard (try? queue.finish()) == nil else { return }
    for copy in inFlight { copy.abandon() }
  }

  /// Bytes of weights that were brought to the device again and again.
  var streamedBytes: Int { streaming?.streamedBytes ?? 0 }

  /// Where a weight is for the kernel that is launched next.
  func memory(of weight: OpenCLWeight) throws(OpenCLError) -> OpenCLMemory {
    switch weight.place {
    case .resident(let buffer, _): return buffer.memory
    case .streamed(_, let group):
      guard let streaming else { preconditionFailure("a streamed weight of another backend") }
      return try streaming.memory(of: weight, in: group)
    }
  }

  /// Launches a kernel; see `OpenCLQueue.launch`.
  func run(
    _ identifier: KernelIdentifier, _ arguments: [KernelArgument], global: [Int], local: [Int]
  ) throws(OpenCLError) {
    for case .matrix(let matrix) in arguments {
      precondition(
        matrix.scalar == identifier.scalar,
        "a \(matrix.scalar.rawValue) matrix where \(identifier.function) computes in \(identifier.scalar.rawValue)")
    }
    guard !memory.isCountedAlone else { return }
    var all: [OpenCLArgument] = []
    for argument in arguments { argument.append(to: &all) }
    if let recording = ownRecording {
      return try recording.commands.record(library.copy(of: identifier), all, global: global, local: local)
    }
    let kernel = try library.kernel(identifier)
    let event = try queue.launch(kernel, all, global: global, local: local)
    launches += 1
    enqueues += 1
    if let event { launched.append((identifier.function, event)) }
  }

  /// Memory for intermediate results of one operation, kept and reused by later ones under the same name. What an
  /// operation left there is there until the next one that asks for the name.
  func scratch(_ name: String, floats: Int) throws(OpenCLError) -> Matrix<OpenCLBuffer> {
    if let buffer = scratch[name], buffer.bytes / MemoryLayout<Float>.size < floats {
      try requireNoRecording("memory grows")
      // What was recorded uses what goes now.
      recorded = [:]
    }
    return try grown(&scratch[name], to: floats)
  }

  /// Scratch memory for the preparation of weights, kept until `freeStaging`.
  func staging(_ name: String, floats: Int) throws(OpenCLError) -> Matrix<OpenCLBuffer> {
    try grown(&staging[name], to: floats)
  }

  /// Frees what only the preparation of weights needs.
  func freeStaging() {
    if !staging.isEmpty { staging = [:] }
  }

  private func grown(_ buffer: inout OpenCLBuffer?, to floats: Int) throws(OpenCLError) -> Matrix<OpenCLBuffer> {
    precondition(floats > 0)
    if let buffer, buffer.bytes / MemoryLayout<Float>.size >= floats {
      return Matrix(buffer: buffer, rows: 1, columns: floats)
    }
    // Released first: commands that use it hold on to it until they are done.
    buffer = nil
    let grown = try OpenCLBuffer(floats: floats, in: memory)
    buffer = grown
    return Matrix(buffer: grown, rows: 1, columns: floats)
  }

  /// Numbers for one operation, in scratch memory of that name; where it is recorded, in memory of its own.
  func numbers(_ name: String, _ values: HostCopy, count: Int) throws(OpenCLError) -> OpenCLMemory {
    guard let recording = ownRecording else {
      let numbers = try scratch(name, floats: count)
      try upload(values, to: numbers.region)
      return numbers.buffer.memory
    }
    let buffer = try OpenCLBuffer(floats: count, in: memory)
    if let start = unsafe values.start {
      waits += 1
      let region = OpenCLRegion(buffer.memory, rowBytes: count * MemoryLayout<Float>.size)
      unsafe try queue.write(start, to: region, waiting: true)
    }
    recording.numbers.append(buffer)
    return buffer.memory
  }

  /// Copies `values` to the device without waiting; they are kept alive until the queue has passed the command.
  func upload(_ values: HostCopy, to region: OpenCLRegion) throws(OpenCLError) {
    try requireNoRecording("values go up")
    guard !memory.isCountedAlone, let start = unsafe values.start else { return }
    inFlight.append(values)
    unsafe try queue.write(start, to: region, waiting: false)
  }

  /// Copies `values` to the device and waits until it is done, so that they need no second place in host memory.
  func uploadAndWait<Value: BitwiseCopyable>(_ values: Span<Value>, to region: OpenCLRegion) throws(OpenCLError) {
    try requireNoRecording("values go up")
    guard !memory.isCountedAlone else { return }
    let queue = queue
    unsafe try values.withUnsafeBytes { bytes throws(OpenCLError) in
      guard let start = bytes.baseAddress else { return }
      unsafe try queue.write(start, to: region, waiting: true)
    }
    // A driver may have taken a copy of the values, with the write and all before it still to come.
    try finish()
  }

  /// Waits for everything before it, then for the copy.
  func download(_ region: OpenCLRegion, into destination: UnsafeMutableRawPointer) throws(OpenCLError) {
    try requireNoRecording("values come down")
    waits += 1
    guard !memory.isCountedAlone else { return }
    unsafe try queue.read(region, into: destination)
    try passed()
  }

  /// Waits until everything enqueued is done.
  func finish() throws(OpenCLError) {
    try requireNoRecording("the host waits")
    waits += 1
    try queue.finish()
    try passed()
  }

  // MARK: Recording

  /// From now on this thread's kernels are recorded. Nil where another thread's are.
  func beginRecording() throws(OpenCLError) -> Int? {
    guard recording == nil else { return nil }
    recordingCount += 1
    recording = Recording(number: recordingCount, commands: try OpenCLCommandBuffer(queue))
    return recordingCount
  }

  /// Ends this thread's recording; it is kept only where it succeeded.
  func endRecording(succeeded: Bool) throws(OpenCLError) {
    guard let ended = ownRecording else { return }
    recording = nil
    guard succeeded else { return }
    try ended.commands.finalize()
    recorded[ended.number] = ended
  }

  /// Enqueues what was recorded under a number; false where it is not there any more.
  func replay(_ number: Int) throws(OpenCLError) -> Bool {
    guard let recording = recorded[number] else { return false }
    try recording.commands.enqueue()
    launches += recording.commands.count
    enqueues += 1
    return true
  }

  func forget(_ number: Int) { recorded[number] = nil }

  private var ownRecording: Recording? {
    guard let recording, pthread_equal(recording.thread, pthread_self()) != 0 else { return nil }
    return recording
  }

  private func requireNoRecording(_ what: String) throws(OpenCLError) {
    guard ownRecording != nil else { return }
    throw OpenCLError(call: "recording", status: .success, detail: "\(what) where kernels alone are recorded")
  }

  private final class Recording {
    let number: Int
    let commands: OpenCLCommandBuffer
    let thread = pthread_self()
    /// What recorded kernels read and nothing else holds.
    var numbers: [OpenCLBuffer] = []

    init(number: Int, commands: OpenCLCommandBuffer) {
      self.number = number
      self.commands = commands
    }
  }

  /// Everything enqueued is done.
  private func passed() throws(OpenCLError) {
    inFlight.removeAll(keepingCapacity: true)
    streaming?.computeIsDone()
    let finished = launched
    launched.removeAll(keepingCapacity: true)
    for (kernel, event) in finished {
      profile[kernel, default: KernelTime()].add(nanoseconds: try event.duration())
    }
  }
}

/// One argument of an operation's kernel, as the macros in `common.cl` declare it.
enum KernelArgument {
  /// `INPUT` or `OUTPUT`: buffer, offset and row stride.
  case matrix(Matrix<OpenCLBuffer>)
  /// A buffer alone.
  case memory(OpenCLMemory)
  /// `WEIGHT`: a buffer, its first element, and the elements from one weight to the next.
  case weights(OpenCLMemory, offset: Int, step: Int)
  /// `const ulong`: elements before the first of a buffer.
  case offset(Int)
  /// `const uint`: a size or a number.
  case size(Int)
  /// `const uint`: 0 or 1.
  case flag(Bool)
  /// `const float`.
  case factor(Float)
  /// `const real` of a kernel that is built for that scalar.
  case real(Double, Scalar)

  fileprivate func append(to arguments: inout [OpenCLArgument]) {
    switch self {
    case .matrix(let matrix):
      _ = matrix.region
      arguments += [
        .memory(matrix.buffer.memory), .ulong(UInt64(matrix.offset)), .uint(UInt32(matrix.rowStride)),
      ]
    case .memory(let memory): arguments.append(.memory(memory))
    case .weights(let memory, let offset, let step):
      arguments += [.memory(memory), .ulong(UInt64(offset)), .ulong(UInt64(step))]
    case .offset(let offset): arguments.append(.ulong(UInt64(offset)))
    case .size(let size): arguments.append(.uint(UInt32(size)))
    case .flag(let flag): arguments.append(.uint(flag ? 1 : 0))
    case .factor(let factor): arguments.append(.float(factor))
    case .real(let value, .float32): arguments.append(.float(Float(value)))
    case .real(let value, .float64): arguments.append(.double(value))
    }
  }
}
