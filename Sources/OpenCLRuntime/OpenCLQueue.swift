import COpenCL

/// A rectangle of device memory: rows of `rowBytes` bytes, `rowPitch` bytes from one to the next.
public struct OpenCLRegion: Sendable {
  public let memory: OpenCLMemory
  /// Bytes before the first row.
  public let offset: Int
  public let rows: Int
  public let rowBytes: Int
  public let rowPitch: Int

  public init(_ memory: OpenCLMemory, offset: Int = 0, rows: Int = 1, rowBytes: Int, rowPitch: Int? = nil) {
    self.memory = memory
    self.offset = offset
    self.rows = rows
    self.rowBytes = rowBytes
    self.rowPitch = rowPitch ?? rowBytes
    precondition(
      offset >= 0 && rows > 0 && rowBytes > 0 && offset + (rows - 1) * self.rowPitch + rowBytes <= memory.bytes,
      "\(rows) rows of \(rowBytes) bytes at \(offset) exceed \(memory.bytes) bytes")
  }

  var isContiguous: Bool { rows == 1 || rowPitch == rowBytes }
}

/// Commands in the order in which they are given.
@safe public final class OpenCLQueue: @unchecked Sendable {
  public let context: OpenCLContext
  /// Whether events of this queue know how long their command took.
  public let profiles: Bool
  let handle: cl_command_queue

  private var calls: legrad_opencl { context.calls }

  public init(_ context: OpenCLContext, profiles: Bool = false) throws(OpenCLError) {
    self.context = context
    self.profiles = profiles
    var status: cl_int = 0
    let properties = profiles ? cl_command_queue_properties(CL_QUEUE_PROFILING_ENABLE) : 0
    let queue = unsafe context.calls.clCreateCommandQueue(
      context.handle, context.device.identifier, properties, &status)
    unsafe handle = try checked(queue, status, "clCreateCommandQueue")
  }

  deinit { _ = unsafe context.calls.clReleaseCommandQueue(handle) }

  /// Launches a kernel over `global` work-items in groups of `local`; each dimension of `global` is a multiple of
  /// `local`'s. The event is there only for queues that profile.
  @discardableResult
  public func launch(
    _ kernel: OpenCLKernel, _ arguments: [OpenCLArgument], global: [Int], local: [Int]
  ) throws(OpenCLError) -> OpenCLEvent? {
    try kernel.set(arguments, global: global, local: local)
    var event: cl_event?
    let dimensions = cl_uint(global.count)
    let status =
      if profiles {
        unsafe calls.clEnqueueNDRangeKernel(handle, kernel.handle, dimensions, nil, global, local, 0, nil, &event)
      } else {
        unsafe calls.clEnqueueNDRangeKernel(handle, kernel.handle, dimensions, nil, global, local, 0, nil, nil)
      }
    try check(status, "clEnqueueNDRangeKernel", "\(kernel.name) over \(global) in groups of \(local)")
    guard let event = unsafe event else { return nil }
    return unsafe OpenCLEvent(context, handle: event)
  }

  /// Copies host memory to the device. Without `waiting`, `source` must stay as it is until the queue has passed
  /// the command; with it, until the call returns, which says nothing of commands before it (OpenCL 1.2, 5.2.2).
  public func write(
    _ source: UnsafeRawPointer, to region: OpenCLRegion, waiting: Bool
  ) throws(OpenCLError) {
    let blocking = cl_bool(waiting ? CL_TRUE : CL_FALSE)
    if region.isContiguous {
      unsafe try check(
        calls.clEnqueueWriteBuffer(
          handle, region.memory.handle, blocking, region.offset, region.rows * region.rowBytes, source, 0, nil, nil),
        "clEnqueueWriteBuffer", "\(region.rows * region.rowBytes) bytes")
      return
    }
    let (deviceOrigin, hostOrigin, size) = region.rectangle
    unsafe try check(
      calls.clEnqueueWriteBufferRect(
        handle, region.memory.handle, blocking, deviceOrigin, hostOrigin, size, region.rowPitch, 0, region.rowBytes, 0,
        source, 0, nil, nil),
      "clEnqueueWriteBufferRect", "\(region.rows) rows of \(region.rowBytes) bytes")
  }

  /// Waits for everything before it, then for the copy of device memory to the host.
  public func read(_ region: OpenCLRegion, into destination: UnsafeMutableRawPointer) throws(OpenCLError) {
    let blocking = cl_bool(CL_TRUE)
    if region.isContiguous {
      unsafe try check(
        calls.clEnqueueReadBuffer(
          handle, region.memory.handle, blocking, region.offset, region.rows * region.rowBytes, destination, 0, nil,
          nil),
        "clEnqueueReadBuffer", "\(region.rows * region.rowBytes) bytes")
      return
    }
    let (deviceOrigin, hostOrigin, size) = region.rectangle
    unsafe try check(
      calls.clEnqueueReadBufferRect(
        handle, region.memory.handle, blocking, deviceOrigin, hostOrigin, size, region.rowPitch, 0, region.rowBytes, 0,
        destination, 0, nil, nil),
      "clEnqueueReadBufferRect", "\(region.rows) rows of \(region.rowBytes) bytes")
  }

  /// A point behind everything enqueued so far.
  public func marker() throws(OpenCLError) -> OpenCLEvent {
    var event: cl_event?
    unsafe try check(calls.clEnqueueMarkerWithWaitList(handle, 0, nil, &event), "clEnqueueMarkerWithWaitList")
    guard let event = unsafe event else {
      throw OpenCLError(call: "clEnqueueMarkerWithWaitList", status: .success, detail: "gave no event")
    }
    return unsafe OpenCLEvent(context, handle: event)
  }

  /// Lets nothing that comes after it start before `event`, a point of another queue, is reached. The host does not
  /// wait.
  public func wait(for event: OpenCLEvent) throws(OpenCLError) {
    var handleOfEvent: cl_event? = unsafe event.handle
    unsafe try check(
      calls.clEnqueueBarrierWithWaitList(handle, 1, &handleOfEvent, nil), "clEnqueueBarrierWithWaitList")
  }

  /// Hands what was enqueued to the device.
  public func flush() throws(OpenCLError) { unsafe try check(calls.clFlush(handle), "clFlush") }

  /// Waits until everything enqueued is done.
  public func finish() throws(OpenCLError) { unsafe try check(calls.clFinish(handle), "clFinish") }
}

extension OpenCLRegion {
  /// Origins on device and host and the size of a rectangular copy, in bytes, rows and slices.
  fileprivate var rectangle: (device: [Int], host: [Int], size: [Int]) {
    // Drivers check that the origin's column and the row's bytes fit the pitch.
    ([offset % rowPitch, offset / rowPitch, 0], [0, 0, 0], [rowBytes, rows, 1])
  }
}
