import Failures
import Synchronization

/// The matrices that a run needs, counted before any of them is made.
///
/// A plan promises matrices first, its `bytes` can be shown or compared with a limit, and only then does `fulfil` take
/// the memory, so that a run cannot fail for memory half-way.
public struct WorkspacePlan<B: Backend>: Sendable {
  private var shapes: [(rows: Int, columns: Int, scalar: Scalar)] = []
  private let memory = Memory()

  /// What the promises read; there once the plan is fulfilled, and for as long as one of them lives.
  private final class Memory: Sendable {
    let matrices = Mutex<[Matrix<B.Buffer>]>([])
  }

  public init() {}

  /// Bytes of all promised matrices.
  public var bytes: Int { shapes.reduce(0) { $0 + $1.rows * $1.columns * $1.scalar.bytes } }

  /// Promises a matrix of `rows × columns` elements.
  public mutating func reserve(
    rows: Int, columns: Int, of scalar: Scalar = .float32
  ) -> Planned<Matrix<B.Buffer>> {
    precondition(rows > 0 && columns > 0, "a planned matrix needs rows and columns, got \(rows)×\(columns)")
    let index = shapes.count
    shapes.append((rows, columns, scalar))
    return Planned { [memory] in memory.matrices.withLock { $0[index] } }
  }

  /// Promises a matrix where it has columns, and nil where there are none to be.
  public mutating func reserve(
    rows: Int, columnsIfAny columns: Int?, of scalar: Scalar = .float32
  ) -> Planned<Matrix<B.Buffer>?> {
    guard let columns else { return Planned(wrappedValue: nil) }
    let promise = reserve(rows: rows, columns: columns, of: scalar)
    return Planned { promise.wrappedValue }
  }

  /// Takes all memory of the plan at once, or throws `outOfMemory` with the bytes of the whole plan. What was promised
  /// can be used from then on.
  public func fulfil(on backend: B) throws(BackendError) {
    var matrices: [Matrix<B.Buffer>] = []
    for shape in shapes {
      do {
        matrices.append(try backend.makeMatrix(rows: shape.rows, columns: shape.columns, of: shape.scalar))
      } catch  where error.code == .outOfMemory {
        throw BackendError(
          .outOfMemory, operation: .workspace,
          "the run needs \(bytes) bytes beside the weights",
          advice: "explain fewer images or prompts at once, or smaller images by \(Subject.size)", bytesNeeded: bytes)
      }
    }
    memory.matrices.withLock { $0 = matrices }
  }
}

/// Something that a plan promised: to be read once the plan is fulfilled. What is set replaces it.
@propertyWrapper
public struct Planned<Value: Sendable>: Sendable {
  private var read: @Sendable () -> Value

  init(_ read: @escaping @Sendable () -> Value) { self.read = read }

  /// What `change` makes of it.
  public func map<Other: Sendable>(_ change: @escaping @Sendable (Value) -> Other) -> Planned<Other> {
    Planned<Other> { [read] in change(read()) }
  }

  /// Something that is there already.
  public init(wrappedValue: Value) { read = { wrappedValue } }

  public var wrappedValue: Value {
    get { read() }
    set { read = { newValue } }
  }
}
