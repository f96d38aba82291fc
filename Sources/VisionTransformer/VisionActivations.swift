package import Compute

/// How many images of which grid run together.
package struct VisionShape: Sendable, Hashable {
  package let images: Int
  package let grid: Grid
  /// Tokens before the patches: the class token, if the tower has one.
  package let leadingTokens: Int

  package init(images: Int, grid: Grid, leadingTokens: Int = 1) {
    precondition(images > 0 && leadingTokens >= 0, "a run needs images")
    self.images = images
    self.grid = grid
    self.leadingTokens = leadingTokens
  }

  /// Tokens of one image: the class token, then the patches.
  package var tokens: Int { leadingTokens + grid.count }
  package var rows: Int { images * tokens }
}

/// The memory of a vision forward.
package struct VisionActivations<B: Backend>: Sendable {
  package let shape: VisionShape
  /// `[images, 3 · height · width]`, normalised and planar.
  package let pixels: Matrix<B.Buffer>
  let patches: Matrix<B.Buffer>
  /// `[tokens, width]`, the same for every image.
  let positions: Matrix<B.Buffer>
  package let block: BlockActivations<B>

  package struct Slots: Sendable {
    let pixels, patches, positions: WorkspacePlan.Slot
    let block: BlockActivations<B>.Slots
  }
}

extension VisionTower {
  /// Plans the memory of a forward, and what backwards need to be kept of a block.
  package func reserve(
    _ shape: VisionShape, backward: BackwardReach, in plan: inout WorkspacePlan
  ) -> VisionActivations<B>.Slots {
    let patchValues = 3 * configuration.patchSize * configuration.patchSize
    return VisionActivations<B>.Slots(
      pixels: plan.reserve(rows: shape.images, columns: shape.grid.count * patchValues),
      patches: plan.reserve(rows: shape.rows, columns: patchValues),
      positions: plan.reserve(rows: shape.tokens, columns: configuration.width),
      block: BlockActivations<B>.reserve(rows: shape.rows, shape: blockShape, backward: backward, in: &plan))
  }

  /// The planned memory with the grid's positions in it.
  package func activations(
    _ slots: VisionActivations<B>.Slots, shape: VisionShape, in workspace: Workspace<B>
  ) throws(BackendError) -> VisionActivations<B> {
    let activations = VisionActivations<B>(
      shape: shape, pixels: workspace[slots.pixels], patches: workspace[slots.patches],
      positions: workspace[slots.positions], block: BlockActivations(slots.block, in: workspace))
    try backend.upload(positions(for: shape.grid).span, to: activations.positions)
    return activations
  }
}
