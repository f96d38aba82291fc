package import Compute
import Failures

/// `y = x Wᵀ + b` on a backend.
package struct Linear<B: Backend>: Sendable {
  package let weight: B.Weight
  package let bias: Matrix<B.Buffer>?
  package let inputs: Int
  package let outputs: Int
}

/// A layer norm's scale and shift on a backend.
package struct Norm<B: Backend>: Sendable {
  package let scale: Matrix<B.Buffer>
  package let shift: Matrix<B.Buffer>
  package let epsilon: Float
}

/// Reads layers under their canonical names and hands them to a backend, one tensor in host memory at a time.
struct LayerLoader<B: Backend> {
  let source: any WeightSource
  let backend: B

  func values(_ name: String) throws(ModelError) -> [Float] {
    do { return try source.floats(name) } catch { throw .checkpoint(error) }
  }

  func row(_ name: String) throws(ModelError) -> Matrix<B.Buffer> {
    let values = try values(name)
    do {
      let row = try backend.makeMatrix(rows: 1, columns: values.count)
      try backend.upload(values.span, to: row)
      return row
    } catch { throw .backend(error) }
  }

  func linear(
    weight: String, bias: String?, outputs: Int, inputs: Int, group: WeightGroup? = nil
  ) throws(ModelError) -> Linear<B> {
    let prepared = try prepare(weight, outputs: outputs, inputs: inputs, group: group)
    var biasRow: Matrix<B.Buffer>?
    if let bias { biasRow = try row(bias) }
    return Linear(weight: prepared, bias: biasRow, inputs: inputs, outputs: outputs)
  }

  /// A weight as its file stores it where that will do, else by its values.
  private func prepare(
    _ name: String, outputs: Int, inputs: Int, group: WeightGroup?
  ) throws(ModelError) -> B.Weight {
    do throws(BackendError) {
      if let stored = source.stored(name),
        let weight = try backend.prepare(stored, rows: outputs, columns: inputs, group: group)
      {
        return weight
      }
    } catch { throw .backend(error) }
    let values = try values(name)
    do { return try backend.prepare(values.span, rows: outputs, columns: inputs, group: group) } catch {
      throw .backend(error)
    }
  }

  func linear(
    _ tensors: TensorPair, outputs: Int, inputs: Int, group: WeightGroup? = nil
  ) throws(ModelError) -> Linear<B> {
    try linear(weight: tensors.weight, bias: tensors.bias, outputs: outputs, inputs: inputs, group: group)
  }

  /// - Parameter scale: where its scale goes; memory of its own if nil.
  func norm(_ tensors: TensorPair, epsilon: Float, scale: Matrix<B.Buffer>? = nil) throws(ModelError) -> Norm<B> {
    guard let scale else {
      return Norm(scale: try row(tensors.weight), shift: try row(tensors.bias), epsilon: epsilon)
    }
    let values = try values(tensors.weight)
    do { try backend.upload(values.span, to: scale) } catch { throw .backend(error) }
    return Norm(scale: scale, shift: try row(tensors.bias), epsilon: epsilon)
  }
}
