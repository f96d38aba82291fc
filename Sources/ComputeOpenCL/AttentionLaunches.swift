import Compute
import OpenCLRuntime

/// Heads of sequences: what the kernels of attention are launched over.
struct HeadLaunch {
  let sequences: Int
  let tokens: Int
  let heads: Int
  let headWidth: Int

  init(sequences: Int, tokens: Int, heads: Int, headWidth: Int) {
    self.sequences = sequences
    self.tokens = tokens
    self.heads = heads
    self.headWidth = headWidth
  }

  /// The heads in `matrix`, which has `tokens` rows per sequence.
  init(_ matrix: Matrix<OpenCLBuffer>, tokens: Int, heads: Int) {
    sequences = matrix.rows / tokens
    self.tokens = tokens
    self.heads = heads
    headWidth = matrix.columns / heads
  }
}

/// A file of kernels on attention_tiles.cl or attention_tiles_cpu.cl, and what a launch has to know of it.
struct AttentionProgram {
  let operation: String
  /// Rows of a sequence that one work-group of the portable variant computes.
  let rowsPerGroup: Int
  /// What a work-item of the cpu variant has in local memory at most: blocks, maps of a block's rows, panels.
  let blocks: Int
  let maps: Int
  let panels: Int
  /// Its file for matrix units; nil where the matrix variant has the portable one.
  var onMatrixUnits: OnMatrixUnits?

  /// The files on attention_matrix_tiles.cl.
  enum OnMatrixUnits: String, CaseIterable {
    case attention = "attention_matrix"
    case relevance = "attention_relevance_matrix"
  }

  static let attention = AttentionProgram(
    operation: "attention", rowsPerGroup: 64, blocks: 2, maps: 1, panels: 3, onMatrixUnits: .attention)
  static let backward = AttentionProgram(
    operation: "attention_backward", rowsPerGroup: 64, blocks: 2, maps: 2, panels: 4)
  static let relevance = AttentionProgram(
    operation: "attention_relevance", rowsPerGroup: 32, blocks: 1, maps: 0, panels: 1, onMatrixUnits: .relevance)
  static let rowThroughMap = AttentionProgram(
    operation: "row_through_map", rowsPerGroup: 64, blocks: 2, maps: 2, panels: 2)

  /// What tells a program how wide heads are, a multiple of 16.
  static let widthDefine = "HEAD_WIDTH"

  static let all = [attention, backward, relevance, rowThroughMap]

  /// Work-items of a group of the portable variant.
  static let items = 128

  /// The portable kernel for heads of `headWidth` columns.
  /// - Parameters:
  ///   - isAligned: whether every row of every head starts and ends at a multiple of four floats.
  ///   - function: the operation's name where nil.
  func portableKernel(headWidth: Int, isAligned: Bool, function: String? = nil) -> KernelIdentifier {
    KernelIdentifier(
      operation, on: ["attention_tiles"], function: function, .portable,
      [Self.widthDefine: headWidth.roundedUp(to: 16), "ALIGNED": isAligned ? 1 : 0])
  }

  /// Rows of a panel.
  fileprivate static let panel = 32
  private static let tile = 8
  /// A whole sequence of the ViT-*/14 models, whose rows are then copied only once.
  private static let largestBlock = 264

  /// Rows of a block that leave room for the rest in `localMemory` bytes.
  fileprivate func block(headWidth: Int, localMemory: Int) -> Int {
    let free = localMemory / MemoryLayout<Float>.size - panels * Self.panel * headWidth
    let rows = free / (blocks * headWidth + maps * Self.panel)
    return min(max(rows / Self.tile * Self.tile, Self.tile), Self.largestBlock)
  }
}

extension OpenCLBackend {
  /// Launches a kernel over rows (dimension 0) of heads (1) of sequences (2).
  /// - Parameter function: the operation's name where nil.
  func run(
    _ program: AttentionProgram, function: String? = nil, _ arguments: [KernelArgument], over launch: HeadLaunch,
    on stream: CommandStream
  ) throws(OpenCLError) {
    let kernel: KernelIdentifier
    let (groups, group, last): (Int, Int, [KernelArgument])
    let startsAtQuads = arguments.allSatisfy {
      if case .matrix(let matrix) = $0 { matrix.startsRowsAtQuads } else { true }
    }
    switch variant {
    case .portable, .matrix:
      if let (file, tile) = onMatrixUnits(program, headWidth: launch.headWidth) {
        kernel = tile.kernel(
          file, width: launch.headWidth, precision: precision, isWhole: launch.headWidth % 8 == 0 && startsAtQuads,
          matrixSet)
        group = tile.items(matrixSet)
        groups = launch.tokens.dividedUp(by: tile.rows)
      } else {
        kernel = program.portableKernel(
          headWidth: launch.headWidth, isAligned: launch.headWidth % 4 == 0 && startsAtQuads, function: function)
        group = AttentionProgram.items
        groups = launch.tokens.dividedUp(by: program.rowsPerGroup)
      }
      last = []
    case .cpu:
      let width = launch.headWidth.roundedUp(to: 16)
      let block = program.block(headWidth: width, localMemory: device.localMemory)
      kernel = KernelIdentifier(
        program.operation, on: ["attention_tiles"], function: function, .cpu,
        [AttentionProgram.widthDefine: width, "BLOCK": block])
      // A work-item is a whole head, which it copies once; only where heads do not fill the device they are cut.
      let panels = launch.tokens.dividedUp(by: AttentionProgram.panel)
      let wanted = min(panels, (3 * device.computeUnits).dividedUp(by: launch.sequences * launch.heads))
      let rows = panels.dividedUp(by: wanted) * AttentionProgram.panel
      group = 1
      groups = launch.tokens.dividedUp(by: rows)
      last = [.size(rows)]
    }
    try stream.run(
      kernel, arguments + last, global: [groups * group, launch.heads, launch.sequences], local: [group, 1, 1])
  }

  /// The file and the tile of `program` where its products are on matrix units.
  private func onMatrixUnits(
    _ program: AttentionProgram, headWidth: Int
  ) -> (AttentionProgram.OnMatrixUnits, HeadTile)? {
    guard variant == .matrix, attentionKernels == .matrix, let file = program.onMatrixUnits,
      let tile = HeadTile.best(width: headWidth, precision: precision),
      tile.localMemory(width: headWidth, precision: precision, matrixSet) <= device.localMemory
    else { return nil }
    return (file, tile)
  }
}

extension Int {
  fileprivate func dividedUp(by divisor: Int) -> Int { (self + divisor - 1) / divisor }
}
