public import Compute
import Failures

extension CPUBackend {
  public func copy(_ operation: Copy<CPUBuffer>) throws(BackendError) {
    let (source, destination) = (operation.source, operation.destination)
    let (from, to) = unsafe (source.base, destination.base)
    perform { crew in
      crew.run(source.rows, grain: crew.grain(rows: source.rows, columns: source.columns)) { begin, end in
        for row in begin..<end {
          unsafe (to + row * destination.rowStride).update(from: from + row * source.rowStride, count: source.columns)
        }
      }
    }
  }

  public func fill(_ operation: Fill<CPUBuffer>) throws(BackendError) {
    let destination = operation.destination
    switch destination.scalar {
    case .float32: unsafe fill(destination, at: destination.base, with: operation.value)
    case .float64: unsafe fill(destination, at: destination.doubles, with: Double(operation.value))
    }
  }

  private func fill<Element>(
    _ destination: Matrix<CPUBuffer>, at base: UnsafeMutablePointer<Element>, with value: Element
  ) {
    perform { crew in
      crew.run(destination.rows, grain: crew.grain(rows: destination.rows, columns: destination.columns)) {
        begin, end in
        for row in begin..<end {
          unsafe (base + row * destination.rowStride).update(repeating: value, count: destination.columns)
        }
      }
    }
  }
}
