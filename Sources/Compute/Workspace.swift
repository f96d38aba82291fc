/// The matrices that a run needs, counted before any of them is made.
///
/// A plan is filled first, its `bytes` can be shown or compared with a limit, and only then does a `Workspace`
/// take the memory, so that a run cannot fail for memory half-way.
public struct WorkspacePlan: Sendable {
  /// Names one planned matrix.
  public struct Slot: Sendable, Hashable { let index: Int }

  private(set) var shapes: [(rows: Int, columns: Int)] = []

  public init() {}

  /// Bytes of all planned matrices.
  public var bytes: Int { shapes.reduce(0) { $0 + $1.rows * $1.columns * MemoryLayout<Float>.size } }

  /// Plans a matrix of `rows × columns` floats.
  public mutating func reserve(rows: Int, columns: Int) -> Slot {
    precondition(rows > 0 && columns > 0, "a planned matrix needs rows and columns, got \(rows)×\(columns)")
    shapes.append((rows, columns))
    return Slot(index: shapes.count - 1)
  }
}

/// The memory of a plan on one backend.
public struct Workspace<B: Backend>: Sendable {
  private let matrices: [Matrix<B.Buffer>]
  public let bytes: Int

  /// Takes all memory of the plan at once, or throws `outOfMemory` with the bytes of the whole plan.
  public init(_ plan: WorkspacePlan, on backend: B) throws(BackendError) {
    var matrices: [Matrix<B.Buffer>] = []
    for shape in plan.shapes {
      do {
        matrices.append(try backend.makeMatrix(rows: shape.rows, columns: shape.columns))
      } catch  where error.code == .outOfMemory {
        throw BackendError(
          .outOfMemory, operation: .workspace,
          "the run needs \(plan.bytes) bytes beside the weights; explain fewer images or prompts at once",
          bytesNeeded: plan.bytes)
      }
    }
    self.matrices = matrices
    bytes = plan.bytes
  }

  public subscript(slot: WorkspacePlan.Slot) -> Matrix<B.Buffer> { matrices[slot.index] }
}
