extension Oracle {
  /// Planar images cut into rows of patches, after `leadingRows` rows of zeros per image.
  public static func patchify(
    _ pixels: DoubleMatrix, height: Int, width: Int, patch: Int, leadingRows: Int
  ) -> DoubleMatrix {
    let channels = pixels.columns / (height * width)
    let (gridHeight, gridWidth) = (height / patch, width / patch)
    let rowsPerImage = leadingRows + gridHeight * gridWidth
    var patches = DoubleMatrix(rows: pixels.rows * rowsPerImage, columns: channels * patch * patch)
    for image in 0..<pixels.rows {
      for channel in 0..<channels {
        for y in 0..<height {
          for x in 0..<width {
            let row = image * rowsPerImage + leadingRows + y / patch * gridWidth + x / patch
            let column = (channel * patch + y % patch) * patch + x % patch
            patches[row, column] = pixels[image, (channel * height + y) * width + x]
          }
        }
      }
    }
    return patches
  }
}
