import Compute
import ComputeCPU
import Failures
import ImageFiles
import TestSupport
import Testing
import VisionTransformer

@testable import LeGrad

/// Blocks that are read together give the bits that each gives alone.
@Suite struct JoinedBlocksTests {
  /// Folders that between them have every head and every kind of block.
  static let folders =
    ["clip/model", "clip-odd/model", "siglip/model", "coca/model"]
    + [
      "vit", "deit-teacher", "dinov2", "dinov2-registers", "dinov2-swiglu", "timm-vit-avg", "timm-dinov3", "timm-eva02",
      "timm-map", "timm-map-class", "timm-qknorm", "timm-nonorm", "timm-nonorm-avg", "eva02-clip", "clipa",
      "siglip2-naflex",
    ].map { "families/\($0)/model" }

  private static func explanations(
    _ model: Model, folds: Bool = false, rowsToJoin: Int, largestMatrix: Int = .max, images: Int = 2, prompts: Int = 2,
    layers: LayerSelection
  ) throws -> (maps: [[UInt32]], operations: Int) {
    let vision = model.configuration.vision
    var options = Explainer.Options()
    options.foldsProjections = folds
    let backend = FaultyBackend(
      try CPUBackend(threads: 2), .none, rowsToJoin: rowsToJoin, largestMatrix: largestMatrix)
    let explainer = try Explainer(model, options: options, backend: backend, variant: nil, reason: "test")
    let (columns, rows) = (4 * vision.patchSize, 3 * vision.patchSize)
    let pictures = (0..<images).map { image in
      PreparedImage(
        pixels: HostMatrix.random(1, 3 * columns * rows, seed: 50 + UInt64(image)).values, height: rows,
        width: columns, region: PixelRegion(x: 0, y: 0, width: columns, height: rows))
    }
    let width = model.configuration.embeddingWidth
    let text =
      if explainer.classes != nil {
        try explainer.encode(classes: Array(0..<prompts))
      } else {
        try TextEmbeddings(rows: HostMatrix.random(prompts, width, seed: 60).values, width: width)
      }
    let methods = Readout.allCases.map { Method.legrad(layers: layers, readout: $0) }.filter {
      do { try $0.check(vision, model: "") } catch { return false }
      return true
    }
    _ = try explainer.explain(pictures, text: text, methods: methods)
    let before = backend.callCount
    let explained = try explainer.explain(pictures, text: text, methods: methods)
    let maps = explained.joined().map { explanation in
      explanation.layerRelevance.map(\.bitPattern) + explanation.imageEmbedding.map(\.bitPattern)
    }
    return (maps, backend.callCount - before)
  }

  @Test(arguments: folders)
  func theBitsAreThoseOfOneBlockAtATime(_ folder: String) throws {
    let model = try Model(folder: Fixtures.path(folder))
    let layers = model.configuration.vision.layers
    let rows = 2 * 2 * (12 + model.configuration.vision.leadingTokens)
    for selection in [LayerSelection.all, .last(2), .range(0...max(0, layers - 2))] {
      let alone = try Self.explanations(model, rowsToJoin: 0, layers: selection)
      #expect(alone.maps.allSatisfy { $0.contains { $0 != 0 } })
      for together in 2...max(2, layers) {
        let joined = try Self.explanations(model, rowsToJoin: together * rows, layers: selection)
        #expect(joined.maps == alone.maps, "\(selection), \(together) together")
        #expect(joined.operations < alone.operations || layers == 1, "\(selection), \(together) together")
      }
    }
  }

  @Test func aFoldedTowersBlocksAreJoined() throws {
    for folder in ["clip/model", "families/dinov2-registers/model"] {
      let model = try Model(folder: Fixtures.path(folder))
      let alone = try Self.explanations(model, folds: true, rowsToJoin: 0, layers: .all)
      let joined = try Self.explanations(model, folds: true, rowsToJoin: 4096, layers: .all)
      #expect(joined.maps == alone.maps && joined.operations < alone.operations)
    }
  }

  /// Prompts that need several passes leave no room for several blocks, and too little memory leaves it for fewer.
  @Test func fewerAreJoinedWhereThereIsNoRoom() throws {
    let model = try Model(folder: Fixtures.path("clip/model"))
    let vision = model.configuration.vision
    let alone = try Self.explanations(model, rowsToJoin: 0, layers: .all)
    // The hidden row of each token of all blocks is too large a matrix.
    let rows = 2 * (12 + vision.leadingTokens)
    let scarce = try Self.explanations(
      model, rowsToJoin: 4096, largestMatrix: (vision.layers * rows * vision.mlpWidth - 1) * 4, layers: .all)
    let joined = try Self.explanations(model, rowsToJoin: 4096, layers: .all)
    #expect(scarce.maps == alone.maps)
    #expect(joined.operations < scarce.operations && scarce.operations < alone.operations)
    let many = try Self.explanations(model, rowsToJoin: 4096, images: 1, prompts: 700, layers: .all)
    let manyAlone = try Self.explanations(model, rowsToJoin: 0, images: 1, prompts: 700, layers: .all)
    #expect(many.maps == manyAlone.maps && many.operations == manyAlone.operations)
  }

  @Test func groupsAreAsEqualAsTheyCanBe() {
    #expect(JoinedBlocks(0..<12, rows: 197, limit: 4096).count == 12)
    #expect(JoinedBlocks(0..<24, rows: 257, limit: 4096).count == 12)
    #expect(JoinedBlocks(0..<48, rows: 257, limit: 4096).count == 12)
    #expect(JoinedBlocks(0..<12, rows: 8 * 197, limit: 4096).count == 2)
    #expect(JoinedBlocks(10..<12, rows: 197, limit: 4096).count == 2)
    #expect(JoinedBlocks(0..<12, rows: 4097, limit: 4096).count == 1)
    #expect(JoinedBlocks(0..<12, rows: 197, limit: 0).count == 1)
    let joined = JoinedBlocks(3..<8, rows: 1, limit: 2)
    #expect(joined.count == 2)
    // Every block in one group, each of which lies together.
    var seen: [Int] = []
    for block in 0..<10 {
      guard let group = joined.group(endingWith: block, last: 9) else { continue }
      #expect(joined.places(of: group).count == group.count)
      seen += group
    }
    #expect(seen == Array(0..<10))
    // A block never overwrites what it reads, where blocks are joined.
    for block in 3..<10 { #expect(joined.place(of: block) != joined.place(of: block - 1)) }
  }
}
