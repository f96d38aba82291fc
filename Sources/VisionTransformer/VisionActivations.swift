package import Compute

/// How many images of which grid run together.
package struct VisionShape: Sendable, Hashable {
  package let images: Int
  package let grid: Grid
  /// Tokens before the patches: the class token, if the tower has one, and registers.
  package let leadingTokens: Int

  package init(images: Int, grid: Grid, leadingTokens: Int = 1) {
    precondition(images > 0 && leadingTokens >= 0, "a run needs images")
    self.images = images
    self.grid = grid
    self.leadingTokens = leadingTokens
  }

  /// Tokens of one image: leading tokens, then the patches.
  package var tokens: Int { leadingTokens + grid.count }
  package var rows: Int { images * tokens }

  /// The same for another number of images.
  package func of(images: Int) -> VisionShape { VisionShape(images: images, grid: grid, leadingTokens: leadingTokens) }

  /// The mean of each image's patches, `[images, columns]`, of rows with the leading tokens before them.
  package func meanPatches<B: Backend>(
    of rows: Matrix<B.Buffer>, into means: Matrix<B.Buffer>, on backend: B
  ) throws(BackendError) {
    for image in 0..<images {
      let first = image * tokens + leadingTokens
      try backend.meanRows(
        MeanRows(
          input: rows.rows(first..<first + grid.count), rowsPerGroup: grid.count,
          output: means.rows(image..<image + 1)))
    }
  }
}

/// The memory of a vision forward.
package struct VisionActivations<B: Backend>: Sendable {
  package let shape: VisionShape
  /// `[images, 3 · height · width]`, normalised and planar.
  @Planned package private(set) var pixels: Matrix<B.Buffer>
  @Planned private(set) var patches: Matrix<B.Buffer>
  /// `[tokens, width]`, the same for every image.
  @Planned private(set) var positions: Matrix<B.Buffer>
  /// Of all blocks that are there at once; see `BlockActivations.blocks`.
  package let blocks: BlockActivations<B>

  /// Plans the memory of a forward, and what backwards need to be kept of blocks.
  /// - Parameter together: blocks that a backward goes through at once.
  package init(
    _ shape: VisionShape, of tower: VisionTower<B>, backward: BackwardReach, together: Int = 1,
    in plan: inout WorkspacePlan<B>
  ) {
    let patchValues = 3 * tower.configuration.patchSize * tower.configuration.patchSize
    self.shape = shape
    _pixels = plan.reserve(rows: shape.images, columns: shape.grid.count * patchValues)
    _patches = plan.reserve(rows: shape.rows, columns: patchValues)
    _positions = plan.reserve(rows: shape.tokens, columns: tower.configuration.width)
    let rotation = tower.configuration.rotary.map {
      Rotation<B>(
        $0, leadingTokens: shape.leadingTokens, patches: shape.grid.count, headWidth: tower.configuration.headWidth,
        in: &plan)
    }
    blocks = BlockActivations(
      rows: shape.rows, shape: tower.blockShape, backward: backward, together: together, rotation: rotation, in: &plan)
  }
}
