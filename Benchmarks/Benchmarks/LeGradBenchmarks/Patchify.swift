import Compute
import ComputeCPU

/// Cutting one image, and a batch of sixteen, into patches of 16 and of 14.
func patchifyBenchmarks() {
  for tower in [Tower.base, Tower.large] {
    for images in [1, 16] {
      let pixelCount = 3 * Tower.pixels * Tower.pixels
      let patchColumns = 3 * tower.patch * tower.patch
      let name = "Patchify \(tower.name) \(images)x3x\(Tower.pixels)x\(Tower.pixels)"
      let written = images * tower.tokens * patchColumns
      measure(name, .elements(images * pixelCount + written)) { backend in
        let operation = Patchify(
          pixels: try backend.random(rows: images, columns: pixelCount), height: Tower.pixels, width: Tower.pixels,
          patch: tower.patch, leadingRows: 1,
          patches: try backend.makeMatrix(rows: images * tower.tokens, columns: patchColumns))
        return { try backend.patchify(operation) }
      }
    }
  }
}
