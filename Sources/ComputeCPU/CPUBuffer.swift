import Compute

/// Main memory that holds a matrix of the CPU backend.
public final class CPUBuffer: Sendable {
  let memory: AlignedMemory
  /// Floats that fit.
  public let count: Int

  init(count: Int) throws(BackendError) {
    memory = try AlignedMemory(count: count, elementSize: MemoryLayout<Float>.size, operation: "makeMatrix")
    self.count = count
  }
}

extension Matrix<CPUBuffer> {
  /// The first element of the view, after checking that the whole view lies inside its buffer.
  var base: UnsafeMutablePointer<Float> {
    precondition(
      offset + (rows - 1) * rowStride + columns <= buffer.count,
      "a \(shape) view at \(offset) with row stride \(rowStride) exceeds its buffer of \(buffer.count) floats")
    return unsafe buffer.memory.base.assumingMemoryBound(to: Float.self) + offset
  }
}
