public import Compute
import Failures

extension CPUBackend {
  public func patchify(_ operation: Patchify<CPUBuffer>) throws(BackendError) {
    let (pixels, patches) = (operation.pixels, operation.patches)
    switch patches.scalar {
    case .float32: unsafe patchify(operation, from: pixels.base, to: patches.base)
    case .float64: unsafe patchify(operation, from: pixels.doubles, to: patches.doubles)
    }
  }

  private func patchify<Element: BinaryFloatingPoint>(
    _ operation: Patchify<CPUBuffer>, from: UnsafeMutablePointer<Element>, to: UnsafeMutablePointer<Element>
  ) {
    let (pixels, patches, patch) = (operation.pixels, operation.patches, operation.patch)
    let gridWidth = operation.width / patch
    let rowsPerImage = operation.leadingRows + operation.height / patch * gridWidth
    perform { crew in
      crew.run(patches.rows, grain: crew.grain(rows: patches.rows, columns: patches.columns)) { begin, end in
        for row in begin..<end {
          let output = unsafe to + row * patches.rowStride
          let number = row % rowsPerImage - operation.leadingRows
          if number < 0 {
            unsafe output.update(repeating: 0, count: patches.columns)
            continue
          }
          let corner = number / gridWidth * patch * operation.width + number % gridWidth * patch
          let image = unsafe from + row / rowsPerImage * pixels.rowStride + corner
          for line in 0..<operation.channels * patch {
            let (channel, y) = (line / patch, line % patch)
            unsafe (output + line * patch).update(
              from: image + (channel * operation.height + y) * operation.width, count: patch)
          }
        }
      }
    }
  }
}
