import Compute
import Failures
import ImageFiles
import LeGrad
import Randomness
import Synchronization
import TestSupport
import Testing
import VisionTransformer

private final class Count: Sendable {
  let number = Mutex(0)
}

/// What `Explainer` promises beside the numbers of the reference.
@Suite struct ExplainerTests {
  private let golden = GoldenModel.all[0]

  private func explainer(threads: Int = 2) throws -> Explainer {
    var options = Explainer.Options()
    options.device = .cpu
    options.threads = threads
    return try Explainer(golden.open(), options: options)
  }

  /// Unit rows that are no prompt's.
  private func text(_ count: Int, seed: UInt64 = 7) throws -> TextEmbeddings {
    var random = SeededRandom(seed: seed)
    let rows = (0..<count * 32).map { _ in Float(random.normal()) }
    return try TextEmbeddings(rows: rows, width: 32)
  }

  private func images(_ explainer: Explainer, width: Int = 32, height: Int = 32) throws -> [PreparedImage] {
    try ["photo.png", "wide.png", "tall.png", "small.png", "grey.png"].map { name in
      let image = try RGBImage.decode(path: Fixtures.path("preprocess/\(name)")).image
      return try explainer.prepare(image, size: .pixels(width: width, height: height))
    }
  }

  @Test(arguments: GoldenBackend.devices, [(32, 32), (56, 40)])
  func aBatchGivesTheBitsOfSingleImages(_ backend: GoldenBackend, size: (width: Int, height: Int)) throws {
    let explainer = try backend.explainer(golden.open())
    let text = try text(3)
    let images = try images(explainer, width: size.width, height: size.height)
    let batch = try explainer.explain(images, text: text, layers: .all)
    for (image, together) in zip(images, batch) {
      let alone = try explainer.explain([image], text: text, layers: .all)[0]
      #expect(together.layerRelevance.map(\.bitPattern) == alone.layerRelevance.map(\.bitPattern))
      #expect(together.imageEmbedding.map(\.bitPattern) == alone.imageEmbedding.map(\.bitPattern))
      #expect(together.relevance == alone.relevance && together.similarities == alone.similarities)
    }
  }

  @Test func oneImageThatIsNotFiniteFailsAlone() throws {
    var options = Explainer.Options()
    options.device = .cpu
    // Pixels other than black become infinite.
    options.pixelStatistics = PixelStatistics(mean: [0, 0, 0], std: [1e-39, 1e-39, 1e-39])
    let explainer = try Explainer(golden.open(), options: options)
    let (text, methods) = (try text(2), [Method.legrad(), .rollout()])
    let images = try [0, 0, 255, 0].map { value in
      try explainer.prepare(
        RGBImage(width: 32, height: 32, pixels: [UInt8](repeating: value, count: 32 * 32 * 3)),
        size: .pixels(width: 32, height: 32))
    }
    let expected = try explainer.explain([images[0]], text: text, methods: methods)[0]
    let results = try explainer.explainEach(images, text: text, methods: methods)
    #expect(results.count == 4)
    for (index, result) in results.enumerated() {
      switch result {
      case .success(let explanations):
        #expect(index != 2 && explanations.map(\.method) == methods)
        #expect(explanations.map(\.layerRelevance) == expected.map(\.layerRelevance))
      case .failure(let error): #expect(index == 2 && error.kind == .numerical)
      }
    }
    // What is no image's fault ends all of them.
    let other = try TextEmbeddings(rows: [1, 0], width: 2)
    #expect(throws: LeGradError.self) { try explainer.explainEach(images, text: other, methods: methods) }
    #expect(try explainer.explainEach([], text: text, methods: methods).isEmpty)
  }

  /// Files and pictures as a sequence, a bad one among them.
  @Test(arguments: [1, 2, 5, 16]) func picturesAsASequenceHaveTheBitsOfSingleImages(threads: Int) async throws {
    let explainer = try explainer(threads: threads)
    let text = try text(2)
    let names = ["photo.png", "wide.png", "tall.png", "nothing.png", "small.png", "grey.png", "photo.jpg"]
    var sources = names.map { PictureSource.file(Fixtures.path("preprocess/\($0)")) }
    sources.append(.picture(RGBImage(width: 2, height: 1, pixels: [1, 2, 3, 200, 5, 6]), name: "drawn"))
    var settings = PictureSettings()
    settings.batchSize = 3
    settings.memoryLimit = threads == 2 ? 100_000 : nil
    var count = 0
    for try await outcome in explainer.explainEach(sources, text: text, methods: [.legrad(), .rollout()], settings) {
      defer { count += 1 }
      guard count != 3 else {
        #expect(throws: LeGradError.self) { try outcome.get() }
        continue
      }
      let explained = try outcome.get()
      #expect(explained.index == count && explained.name == sources[count].name)
      let picture: RGBImage
      switch sources[count] {
      case .file(let path): picture = try RGBImage.decode(path: path, applyOrientation: true).image
      case .picture(let image, _): picture = image
      }
      #expect((explained.width, explained.height) == (picture.width, picture.height))
      let alone = try await explainer.explain(
        [explainer.prepare(picture)], text: text, methods: [.legrad(), .rollout()])[0]
      for (together, alone) in zip(explained.explanations, alone) {
        #expect(together.relevance.map(\.bitPattern) == alone.relevance.map(\.bitPattern))
      }
    }
    #expect(count == sources.count)
    // What is left ends with the iterator.
    for try await _ in explainer.explainEach(sources, text: text) { break }
  }

  /// Given up at every point where that is asked: an error, and nothing that the next call meets.
  @Test(arguments: GoldenBackend.devices)
  func aBatchThatIsGivenUpLeavesNothingBehind(_ backend: GoldenBackend) throws {
    let explainer = try backend.explainer(golden.open())
    let text = try text(2)
    let images = Array(try images(explainer)[..<2])
    func explained(isCancelled: @escaping @Sendable () -> Bool = { false }) throws(LeGradError) -> [[[Float]]] {
      try explainer.explain(images, text: text, methods: Method.all, isCancelled: isCancelled).map {
        $0.map(\.layerRelevance)
      }
    }
    let expected = try explained()
    var cancelledAt = 0
    var stride = 4
    if case .cpu = backend { stride = 1 }
    let layers = explainer.model.configuration.vision.layers
    // Before the batch and each block of the forward, of CheferCAM's way back, of rollout's but the first, and of LRP's ways.
    let asks = 1 + 2 * layers + (layers - 1) + images.count * (2 * layers - 1)
    while true {
      let (asked, last) = (Count(), cancelledAt)
      do {
        let found = try explained {
          asked.number.withLock {
            $0 += 1
            return $0 > last
          }
        }
        #expect(found == expected)
        #expect(asked.number.withLock { $0 } == asks)
        break
      } catch {
        #expect(error.kind == .cancelled)
        #expect(asked.number.withLock { $0 } == cancelledAt + 1)
      }
      if cancelledAt % 5 == 0 { #expect(try explained() == expected) }
      cancelledAt += stride
    }
  }

  @Test func aTaskThatIsCancelledEndsItsBatchOrItsSequence() async throws {
    let explainer = try explainer()
    let (text, images) = (try text(2), try images(explainer))
    let batch = Task { () async throws -> Int in
      while !Task.isCancelled { await Task.yield() }
      return try await explainer.explain(images, text: text, methods: Method.all).count
    }
    batch.cancel()
    let error = await #expect(throws: LeGradError.self) { try await batch.value }
    #expect(error?.kind == .cancelled)
    let sources = [PictureSource](repeating: .file(Fixtures.path("preprocess/photo.png")), count: 40)
    let sequence = Task { () async throws -> Int in
      var count = 0
      for try await outcome in explainer.explainEach(sources, text: text, methods: Method.all) {
        _ = try outcome.get()
        count += 1
        if count == 3 { unsafe withUnsafeCurrentTask { unsafe $0?.cancel() } }
      }
      return count
    }
    let ended = await #expect(throws: LeGradError.self) { try await sequence.value }
    #expect(ended?.kind == .cancelled)
  }

  @Test(arguments: GoldenBackend.devices)
  func everyMethodGivesABatchTheBitsOfSingleImages(_ backend: GoldenBackend) throws {
    let explainer = try backend.explainer(golden.open())
    let text = try text(1)
    let images = try images(explainer)
    let batch = try explainer.explain(images, text: text, methods: Method.all)
    for (image, together) in zip(images, batch) {
      let alone = try explainer.explain([image], text: text, methods: Method.all)[0]
      for (one, other) in zip(together, alone) {
        #expect(one.layerRelevance.map(\.bitPattern) == other.layerRelevance.map(\.bitPattern), "\(one.method)")
      }
    }
  }

  /// Memory is kept for the next batch, whatever that asks.
  @Test(arguments: GoldenBackend.devices, ["clip", "siglip", "coca"])
  func anotherTextInTheSameMemory(_ backend: GoldenBackend, model: String) throws {
    let explainer = try backend.explainer(Model(folder: Fixtures.path("\(model)/model")))
    let width = explainer.model.configuration.embeddingWidth
    let methods = model == "clip" ? Method.all : [.legrad(layers: .all)]
    let images = try images(explainer)
    for seed in [1, 2, 1] as [UInt64] {
      var random = SeededRandom(seed: seed)
      let text = try TextEmbeddings(rows: (0..<2 * width).map { _ in Float(random.normal()) }, width: width)
      let used = try explainer.explain(images, text: text, methods: methods)
      let fresh = try backend.explainer(explainer.model).explain(images, text: text, methods: methods)
      for (used, fresh) in zip(used.joined(), fresh.joined()) {
        #expect(used.layerRelevance.map(\.bitPattern) == fresh.layerRelevance.map(\.bitPattern), "\(used.method)")
      }
    }
  }

  @Test(arguments: GoldenBackend.devices)
  func aRepetitionGivesTheSameBits(_ backend: GoldenBackend) throws {
    let text = try text(3)
    let results = try (0..<2).flatMap { _ in
      let explainer = try backend.explainer(golden.open())
      return try (0..<2).map { _ in try explainer.explain(images(explainer), text: text, layers: .all) }
    }
    for result in results {
      for (repetition, first) in zip(result, results[0]) {
        #expect(repetition.layerRelevance.map(\.bitPattern) == first.layerRelevance.map(\.bitPattern))
        #expect(repetition.imageEmbedding.map(\.bitPattern) == first.imageEmbedding.map(\.bitPattern))
      }
    }
  }

  @Test func threadsDoNotChangeTheBits() throws {
    let text = try text(3)
    let results = try [1, 2, 3].map { threads in
      let explainer = try explainer(threads: threads)
      return try explainer.explain(images(explainer), text: text, layers: .all).map(\.layerRelevance)
    }
    #expect(results[0] == results[1] && results[0] == results[2])
  }

  /// More prompts than are stacked in one pass: 17 tokens each, at most 8192 rows.
  @Test(arguments: GoldenBackend.devices)
  func manyPromptsGiveTheBitsOfSinglePrompts(_ backend: GoldenBackend) throws {
    let explainer = try backend.explainer(golden.open())
    let many = try text(500)
    let image = try images(explainer)[0]
    let together = try explainer.explain([image], text: many, layers: .last(2))[0]
    #expect(together.prompts == 500 && together.relevance.count == 500 * 16)
    for prompt in [0, 240, 480, 481, 482, 499] {
      let row = try TextEmbeddings(rows: Array(many.row(prompt)), width: 32)
      let alone = try explainer.explain([image], text: row, layers: .last(2))[0]
      expectClose(Array(together.relevance[prompt * 16..<(prompt + 1) * 16]), alone.relevance, relativeToMaximum: 1e-6)
    }
  }

  @Test func layersAreThoseAskedFor() throws {
    let explainer = try explainer()
    let text = try text(2)
    let image = try images(explainer)[1]
    let all = try explainer.explain([image], text: text, layers: .all)[0]
    let cells = 2 * 16
    for (selection, expected) in [
      (LayerSelection.last(1), 3..<4), (.last(2), 2..<4), (.range(1...2), 1..<3), (.range(0...0), 0..<1),
    ] {
      let some = try explainer.explain([image], text: text, layers: selection)[0]
      #expect(some.layers == expected)
      expectClose(
        some.layerRelevance, Array(all.layerRelevance[expected.lowerBound * cells..<expected.upperBound * cells]),
        relativeToMaximum: 1e-6)
    }
    #expect(throws: LeGradError.self) { try explainer.explain([image], text: text, layers: .last(5)) }
    #expect(throws: LeGradError.self) { try explainer.explain([image], text: text, layers: .range(2...4)) }
  }

  @Test func withoutTextThereIsAnEmbeddingAndNoMap() throws {
    let explainer = try explainer()
    let image = try images(explainer)[0]
    let bare = try explainer.explain([image], text: nil)[0]
    let explained = try explainer.explain([image], text: text(1))[0]
    #expect(bare.relevance.isEmpty && bare.prompts == 0)
    #expect(bare.imageEmbedding == explained.imageEmbedding)
  }

  @Test func aFlatMapIsZeroAndSaysSo() {
    let grid = Grid(height: 2, width: 3)
    let flat = Heatmap(relevance: [Float](repeating: 0.25, count: 6), grid: grid, height: 8, width: 12)
    #expect(flat.isFlat && flat.values == [Float](repeating: 0, count: 96))
    let sloped = Heatmap(relevance: [0, 0, 0, 0, 0, 1], grid: grid, height: 8, width: 12)
    #expect(!sloped.isFlat && sloped.values.min() == 0 && sloped.values.max() == 1)
  }

  /// Maps of all kinds, some of which only rounding keeps from being flat.
  @Test func whetherAMapIsFlatIsKnownWithoutIt() {
    var random = SeededGenerator(seed: 3)
    var flat = 0
    for round in 0..<600 {
      let grid = Grid(height: 1 + round % 5, width: 1 + round % 7)
      let base = Float.random(in: -2...2, using: &random)
      var cells = [Float](repeating: round % 3 == 0 ? -abs(base) : base, count: grid.count)
      switch round % 4 {
      case 0: break
      case 1: cells[Int.random(in: 0..<cells.count, using: &random)].round(.up)
      case 2: cells[Int.random(in: 0..<cells.count, using: &random)] = base.nextUp
      default: cells = cells.map { _ in Float.random(in: -1...1, using: &random) }
      }
      for scaling in [Heatmap.Scaling.pixels, .cells] {
        for dropsNegative in [false, true] {
          let (height, width) = (grid.height * (1 + round % 4), grid.width * (1 + round % 9))
          let heatmap = Heatmap(
            relevance: cells, grid: grid, height: height, width: width, scaling: scaling, dropsNegative: dropsNegative)
          let isFlat = Heatmap.isFlat(
            relevance: cells, grid: grid, height: height, width: width, scaling: scaling, dropsNegative: dropsNegative)
          #expect(isFlat == heatmap.isFlat, "\(cells) \(grid) \(height) \(width) \(dropsNegative)")
          flat += isFlat ? 1 : 0
        }
      }
    }
    #expect((200..<1800).contains(flat))
  }

  @Test(arguments: GoldenBackend.devices)
  func callersAtTheSameTimeGetTheirOwnResults(_ backend: GoldenBackend) async throws {
    let explainer = try backend.explainer(golden.open())
    let images = try images(explainer)
    let texts = try [text(1, seed: 1), text(4, seed: 2)]
    let expected = try texts.map { text in try images.map { try explainer.explain([$0], text: text)[0].relevance } }
    try await withThrowingTaskGroup(of: Bool.self) { group in
      for round in 0..<20 {
        let (text, image) = (round % 2, round % images.count)
        group.addTask {
          try explainer.explain([images[image]], text: texts[text])[0].relevance == expected[text][image]
        }
      }
      for try await same in group { #expect(same) }
    }
  }

  @Test func theAsyncFormsGiveTheSameBits() async throws {
    let model = try golden.open()
    var options = Explainer.Options()
    options.device = .cpu
    let explainer = try await Explainer(model, options: options)
    let text = try text(2)
    let images = try images(explainer)
    let expected = try blocking { try explainer.explain(images, text: text, layers: .all) }
    #expect(
      try await explainer.explain(images, text: text, layers: .all).map(\.layerRelevance)
        == expected.map(\.layerRelevance))
    let error = await #expect(throws: LeGradError.self) {
      _ = try await explainer.explain(images, text: text, methods: [.legrad(layers: .last(99))])
    }
    #expect(error?.kind == .usage)
  }

  /// Calls the blocking form where the async one would be chosen.
  private func blocking<Value>(_ body: () throws -> Value) rethrows -> Value { try body() }

  @Test func sizesMustBeMultiplesOfThePatch() throws {
    let explainer = try explainer()
    let image = RGBImage(width: 32, height: 32, pixels: [UInt8](repeating: 9, count: 32 * 32 * 3))
    let error = #expect(throws: LeGradError.self) { try explainer.prepare(image, size: .pixels(width: 36, height: 32)) }
    #expect(error?.kind == .usage && error?.description.contains("multiples of 8") == true)
  }

  @Test(arguments: [
    ("all", LayerSelection.all), ("last:3", .last(3)), ("2..5", .range(2...5)), ("0..0", .range(0...0)),
  ])
  func layerSelectionsAreRead(text: String, expected: LayerSelection) {
    #expect(LayerSelection(text) == expected && LayerSelection(text)?.description == text)
  }

  @Test(arguments: ["", "last", "last:", "last:0", "last:-1", "5..2", "1.2", "1...2", "..", "a..b", "-1..2", "all "])
  func badLayerSelectionsAreRefused(text: String) { #expect(LayerSelection(text) == nil) }

  @Test(arguments: [
    ("native", InputSize.native), ("448", .pixels(width: 448, height: 448)), ("56x40", .pixels(width: 56, height: 40)),
  ])
  func sizesAreRead(text: String, expected: InputSize) { #expect(InputSize(text) == expected) }

  @Test(arguments: ["", "x", "1x", "x1", "0", "-8", "8x0", "8x8x8", "8 x 8"])
  func badSizesAreRefused(text: String) { #expect(InputSize(text) == nil) }

  @Test func theBundledModelFindsWhatItsPicturesShow() throws {
    let model = try Model.demo()
    let explainer = try Explainer(model)
    for picture in try DemoPicture.all() {
      let image = try explainer.prepare(RGBImage.decode(bytes: picture.bytes).image)
      let text = try explainer.encode(picture.prompts)
      let explanation = try explainer.explain([image], text: text, layers: .all)[0]
      #expect(explanation.similarities.allSatisfy { $0 > 0.2 }, "\(picture.name): \(explanation.similarities)")
      #expect(!explanation.heatmap(prompt: 0).isFlat)
    }
  }
}
