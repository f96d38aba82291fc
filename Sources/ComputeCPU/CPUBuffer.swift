import CSimd
import Compute
import Failures

/// Main memory that holds a matrix of the CPU backend.
public final class CPUBuffer: Sendable {
  let memory: AlignedMemory
  /// Bytes that were asked for.
  let bytes: Int

  init(count: Int, scalar: Scalar) throws(BackendError) {
    memory = try AlignedMemory(count: count, elementSize: scalar.bytes, operation: .makeMatrix)
    bytes = count * scalar.bytes
  }
}

extension Matrix<CPUBuffer> {
  /// The first element of the view, after checking that the whole view lies inside its buffer.
  var base: UnsafeMutablePointer<Float> { unsafe elements(.float32) }

  /// The first element of a float64 view, checked as `base` is.
  var doubles: UnsafeMutablePointer<Double> { unsafe elements(.float64) }

  private func elements<Element>(_ type: Scalar) -> UnsafeMutablePointer<Element> {
    precondition(scalar == type, "a \(scalar.rawValue) matrix where \(type.rawValue) is computed")
    precondition(
      (offset + (rows - 1) * rowStride + columns) * type.bytes <= buffer.bytes,
      "a \(shape) view at \(offset) with row stride \(rowStride) exceeds its buffer of \(buffer.bytes) bytes")
    return unsafe buffer.memory.base.assumingMemoryBound(to: Element.self) + offset
  }
}

extension legrad_matrix {
  init(_ matrix: Matrix<CPUBuffer>?) { unsafe self.init(base: matrix?.base, stride: matrix?.rowStride ?? 0) }
}

extension legrad_input {
  init(_ matrix: Matrix<CPUBuffer>?) { unsafe self.init(base: matrix?.base, stride: matrix?.rowStride ?? 0) }
}

extension legrad_double_matrix {
  init(_ matrix: Matrix<CPUBuffer>?) { unsafe self.init(base: matrix?.doubles, stride: matrix?.rowStride ?? 0) }
}

extension legrad_double_input {
  init(_ matrix: Matrix<CPUBuffer>?) { unsafe self.init(base: matrix?.doubles, stride: matrix?.rowStride ?? 0) }
}
