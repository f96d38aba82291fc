import CSimd
public import Compute
import Failures

extension CPUBackend {
  public func rotate(_ operation: Rotate<CPUBuffer>) throws(BackendError) {
    let (matrix, cosines) = (operation.matrix, operation.cosines)
    let arguments = unsafe legrad_rotate(
      matrix: .init(matrix), heads: operation.heads, pairs: cosines.columns, tokens: operation.tokens,
      leading_rows: operation.leadingRows, cosines: .init(cosines), sines: .init(operation.sines),
      neighbours: operation.pairing == .neighbours, turns_back: operation.turnsBack)
    perform { crew in unsafe crew.run(rowsOf: matrix, arguments, kernels.table.rotate) }
  }
}
