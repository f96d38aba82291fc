import Compute
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
  private(set) var launches = 0
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
    case .resident(let buffer): return buffer.memory
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
    let kernel = try library.kernel(identifier)
    var all: [OpenCLArgument] = []
    for argument in arguments { argument.append(to: &all) }
    let event = try queue.launch(kernel, all, global: global, local: local)
    launches += 1
    if let event { launched.append((identifier.function, event)) }
  }

  /// Memory for intermediate results of one operation, kept and reused by later ones under the same name. What an
  /// operation left there is there until the next one that asks for the name.
  func scratch(_ name: String, floats: Int) throws(OpenCLError) -> Matrix<OpenCLBuffer> {
    try grown(&scratch[name], to: floats)
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

  /// Copies `values` to the device without waiting; they are kept alive until the queue has passed the command.
  func upload(_ values: HostCopy, to region: OpenCLRegion) throws(OpenCLError) {
    guard !memory.isCountedAlone, let start = unsafe values.start else { return }
    inFlight.append(values)
    unsafe try queue.write(start, to: region, waiting: false)
  }

  /// Copies `values` to the device and waits until it is done, so that they need no second place in host memory.
  func uploadAndWait<Value: BitwiseCopyable>(_ values: Span<Value>, to region: OpenCLRegion) throws(OpenCLError) {
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
    waits += 1
    guard !memory.isCountedAlone else { return }
    unsafe try queue.read(region, into: destination)
    try passed()
  }

  /// Waits until everything enqueued is done.
  func finish() throws(OpenCLError) {
    waits += 1
    try queue.finish()
    try passed()
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
    case .size(let size): arguments.append(.uint(UInt32(size)))
    case .flag(let flag): arguments.append(.uint(flag ? 1 : 0))
    case .factor(let factor): arguments.append(.float(factor))
    case .real(let value, .float32): arguments.append(.float(Float(value)))
    case .real(let value, .float64): arguments.append(.double(value))
    }
  }
}
