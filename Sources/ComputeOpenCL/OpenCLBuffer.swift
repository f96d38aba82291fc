import Compute
import OpenCLRuntime
import Synchronization

/// Device memory of the OpenCL backend: of a matrix, a weight, or a slot for weights. It goes back with its last owner.
public final class OpenCLBuffer: Sendable {
  let memory: OpenCLMemory
  private let pool: DeviceMemory

  init(bytes: Int, in pool: DeviceMemory) throws(OpenCLError) {
    memory = try pool.allocate(bytes)
    self.pool = pool
  }

  convenience init(floats: Int, in pool: DeviceMemory) throws(OpenCLError) {
    let (bytes, overflow) = floats.multipliedReportingOverflow(by: MemoryLayout<Float>.size)
    try self.init(bytes: overflow ? Int.max : bytes, in: pool)
  }

  deinit { pool.released(memory.bytes) }

  var bytes: Int { memory.bytes }
}

/// The memory of one device: what is allocated, and how much may be.
final class DeviceMemory: Sendable {
  let context: OpenCLContext
  /// Bytes that may be allocated at once.
  let limit: Int
  /// Whether memory is counted and not taken.
  let isCountedAlone: Bool
  private let usage = Mutex(Usage())

  struct Usage: Sendable {
    var bytes = 0
    var peak = 0
  }

  /// - Parameter limit: the device's own memory where nil or larger.
  init(_ context: OpenCLContext, limit: Int?, isCountedAlone: Bool = false) {
    self.context = context
    self.isCountedAlone = isCountedAlone
    self.limit = min(limit ?? Int.max, context.device.memory)
  }

  var bytes: Int { usage.withLock { $0.bytes } }
  var peak: Int { usage.withLock { $0.peak } }

  /// Memory to be reported with `released` when it is freed.
  func allocate(_ bytes: Int) throws(OpenCLError) -> OpenCLMemory {
    let device = context.device
    guard bytes <= device.largestBuffer else {
      throw OpenCLError(
        call: "clCreateBuffer", status: .invalidBufferSize,
        detail: "\(bytes) bytes exceed the \(device.largestBuffer) of the largest buffer on \(device.name)")
    }
    try usage.withLock { usage throws(OpenCLError) in
      guard bytes <= limit - usage.bytes else {
        throw OpenCLError(
          call: "clCreateBuffer", status: .memoryObjectAllocationFailure,
          detail: "\(bytes) bytes beside \(usage.bytes) exceed the limit of \(limit) on \(device.name)")
      }
      usage.bytes += bytes
      usage.peak = max(usage.peak, usage.bytes)
    }
    do {
      return try OpenCLMemory(context, bytes: bytes, taken: isCountedAlone ? 4 : nil)
    } catch {
      released(bytes)
      throw error
    }
  }

  func released(_ bytes: Int) { usage.withLock { $0.bytes -= bytes } }
}

extension Matrix<OpenCLBuffer> {
  /// The whole view as bytes of its buffer, after checking that it lies inside.
  var region: OpenCLRegion {
    let element = scalar.bytes
    precondition(
      (offset + (rows - 1) * rowStride + columns) * element <= buffer.bytes,
      "a \(shape) view at \(offset) with row stride \(rowStride) exceeds its buffer of \(buffer.bytes) bytes")
    return OpenCLRegion(
      buffer.memory, offset: offset * element, rows: rows, rowBytes: columns * element, rowPitch: rowStride * element)
  }
}

extension Matrix<OpenCLBuffer> {
  /// Whether every row starts at a multiple of four floats of its buffer, which starts at one itself.
  var startsRowsAtQuads: Bool { offset % 4 == 0 && (rowStride % 4 == 0 || rows == 1) }
}
