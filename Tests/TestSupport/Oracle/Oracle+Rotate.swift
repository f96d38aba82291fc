public import Compute

extension Oracle {
  /// Pair `k` of each head, `(a + ib)`, times `cos + i sin` of the row's place, or `cos − i sin` where it turns back.
  public static func rotate(
    _ matrix: DoubleMatrix, heads: Int, tokens: Int, leadingRows: Int, cosines: DoubleMatrix, sines: DoubleMatrix,
    pairing: RotaryPairing, turnsBack: Bool
  ) -> DoubleMatrix {
    var turned = matrix
    let width = matrix.columns / heads
    for row in 0..<matrix.rows where row % tokens >= leadingRows {
      for column in 0..<matrix.columns {
        let (head, within) = (column / width, column % width)
        let (pair, isFirst) =
          switch pairing {
          case .halves: (within % (width / 2), within < width / 2)
          case .neighbours: (within / 2, within % 2 == 0)
          }
        let partner =
          switch pairing {
          case .halves: head * width + (within + width / 2) % width
          case .neighbours: head * width + (isFirst ? within + 1 : within - 1)
          }
        let cosine = cosines[row % tokens - leadingRows, pair]
        let sine = sines[row % tokens - leadingRows, pair] * (turnsBack ? -1 : 1)
        turned[row, column] = matrix[row, column] * cosine + matrix[row, partner] * (isFirst ? -sine : sine)
      }
    }
    return turned
  }
}
