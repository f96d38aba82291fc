import Failures
import Files
import Glibc
import ImageFiles
import LeGrad
import Synchronization
import TestSupport
import Testing
import VisionTransformer

@testable import Evaluation

@Suite("Runs")
struct EvaluationRunTests {
  private let explainer: Explainer
  private let classifier: ImageClassifier
  private static let methods: [Method] = [.legrad(), .gradCAM, .legrad(layers: .all, readout: .cls)]

  init() throws {
    explainer = try Explainer.demo()
    classifier = try ImageClassifier.encode(
      SceneObject.classNames, templates: .bundledModel, explainer: explainer, modelHash: nil, cacheFolder: nil)
  }

  private func settings(_ benchmark: any Benchmark) -> EvaluationSettings {
    EvaluationSettings(benchmark, methods: Self.methods)
  }

  /// A quarter of the tokens and two methods, for what takes many forwards.
  private func smallSettings(_ benchmark: any Benchmark) -> EvaluationSettings {
    var settings = EvaluationSettings(benchmark, methods: Array(Self.methods[..<2]))
    settings.size = .pixels(width: 48, height: 40)
    return settings
  }

  private func rows(
    _ dataset: any EvaluationDataset, _ settings: EvaluationSettings, explainer: Explainer? = nil, items: [Int]? = nil
  ) throws -> [EvaluationRow] {
    let run = try EvaluationRun(
      explainer: explainer ?? self.explainer, dataset: dataset, classifier: classifier, settings: settings)
    var rows: [EvaluationRow] = []
    try run.run(items ?? Array(dataset.manifest.entries.indices)) { row, _ in rows.append(row) }
    return rows
  }

  @Test("statistics of masks and points are those of maps that are explained one by one")
  func masksAndPoints() throws {
    let dataset = ShapesDataset(several: 7, single: 0)
    let rows = try rows(dataset, settings(Shapes()))
    #expect(rows.map(\.index) == Array(0..<7))
    for row in rows {
      let image = try dataset.image(at: row.index)
      let classIndex = try #require(image.classIndex)
      let text = classifier.rows.rows(classIndex..<classIndex + 1)
      let prepared = try explainer.prepare(image.image)
      #expect(row.id == image.id && row.failure == nil && row.isCorrect == nil)
      #expect(row.explained == dataset.classIDs[classIndex] && row.device == explainer.device.arithmetic)
      let explanations = try explainer.explain([prepared], text: text, methods: Self.methods)[0]
      for (statistics, explanation) in zip(row.statistics, explanations) {
        let heatmap = explanation.heatmap(prompt: 0)
        let mask = try #require(image.mask).values
        let mean = heatmap.values.reduce(0) { $0 + Double($1) } / Double(heatmap.values.count)
        let found = heatmap.values.map { Double($0) > mean }
        let segmentation = try #require(statistics.segmentation)
        #expect(segmentation.correct == found.indices.count { found[$0] == (mask[$0] == 1) })
        #expect(segmentation.labelled == 96 * 96)
        #expect(segmentation.intersections[1] == found.indices.count { found[$0] && mask[$0] == 1 })
        #expect(segmentation.unions[1] == found.indices.count { found[$0] || mask[$0] == 1 })
        #expect(abs(segmentation.averagePrecision - plainPrecision(heatmap.values, mask)) < 1e-9)
        let points = try #require(statistics.points?.first)
        let labelled = try #require(image.points[classIndex])
        let hits = labelled.filter { heatmap.values[Int($0.y * 96) * 96 + Int($0.x * 96)] > 0.5 }
        #expect(points.truePositives == hits.count { $0.isPositive })
        #expect(points.falsePositives == hits.count { !$0.isPositive })
        #expect(points.falseNegatives == 8 - points.truePositives)
        #expect(statistics.perturbation == nil)
      }
    }
  }

  /// `Σ (R_n − R_{n−1}) P_n` from the definition.
  private func plainPrecision(_ heatmap: [Float], _ mask: [UInt8]) -> Double {
    let entries =
      zip(heatmap, mask).map { (score: 1 - $0.0, isTrue: $0.1 == 0) }
      + zip(heatmap, mask).map { (score: $0.0, isTrue: $0.1 == 1) }
    var groups: [Float: (count: Int, isTrue: Int)] = [:]
    for entry in entries {
      groups[entry.score, default: (0, 0)].count += 1
      groups[entry.score, default: (0, 0)].isTrue += entry.isTrue ? 1 : 0
    }
    var (above, found, sum) = (0, 0, 0.0)
    for score in groups.keys.sorted(by: >) {
      above += groups[score]?.count ?? 0
      let new = groups[score]?.isTrue ?? 0
      found += new
      sum += Double(new) / Double(heatmap.count) * Double(found) / Double(above)
    }
    return sum
  }

  @Test("hits of perturbation are those of copies that are made one by one", arguments: ExplainedClass.allCases)
  func perturbation(_ explained: ExplainedClass) throws {
    let dataset = ShapesDataset(several: 0, single: 2)
    let methods = Array(Self.methods[..<2])
    for row in try rows(dataset, smallSettings(Shapes(explained: explained))) {
      let image = try dataset.image(at: row.index)
      let squashed = image.image.resized(width: 48, height: 40, filter: .bilinear)
      let target = try #require(image.classIndex)
      func prepare(_ picture: RGBImage) throws -> PreparedImage {
        try explainer.prepare(picture, size: .pixels(width: 48, height: 40))
      }
      func predicted(_ picture: RGBImage) throws -> Int {
        let embedding = try explainer.explain([prepare(picture)], text: nil)[0].imageEmbedding
        let cosines = (0..<64).map { row in
          zip(classifier.rows.row(row), embedding).reduce(0.0) { $0 + Double($1.0) * Double($1.1) }
        }
        return try #require(cosines.indices.max { cosines[$0] < cosines[$1] })
      }
      let clean = try predicted(squashed)
      let asked = explained == .target ? target : clean
      #expect(row.explained == dataset.classIDs[asked] && row.isCorrect == (clean == target))
      let explanations = try explainer.explain(
        [prepare(squashed)], text: classifier.rows.rows(asked..<asked + 1), methods: methods)[0]
      for (statistics, explanation) in zip(row.statistics, explanations) {
        let values = explanation.heatmap(prompt: 0).values
        let perturbation = try #require(statistics.perturbation)
        #expect(perturbation.isHit == (clean == target) && statistics.segmentation == nil)
        for isPositive in [true, false] {
          let order = values.indices.sorted {
            values[$0] == values[$1] ? $0 < $1 : (values[$0] > values[$1]) == isPositive
          }
          let hits = try [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9].map { share in
            var pixels = squashed.pixels
            for place in order[..<Int(1920 * share)] { for channel in 0..<3 { pixels[place * 3 + channel] = 0 } }
            return try predicted(RGBImage(width: 48, height: 40, pixels: pixels)) == target
          }
          #expect((isPositive ? perturbation.positiveHits : perturbation.negativeHits) == hits)
        }
      }
    }
  }

  @Test("rows know nothing of the batch", arguments: [1, 5, 100])
  func batches(_ batchSize: Int) throws {
    let dataset = ShapesDataset(several: 6, single: 2)
    var settings = smallSettings(Shapes())
    let expected = try rows(dataset, settings)
    settings.batchSize = batchSize
    #expect(try rows(dataset, settings) == expected)
    #expect(try rows(dataset, settings, items: [1, 4, 6]) == [1, 4, 6].map { expected[$0] })
  }

  @Test("an image that cannot be read, lacks its truth or gives no finite numbers is a failed row")
  func failures() throws {
    let dataset = FaultyDataset()
    let explainer = try Explainer.demo {
      // Pixels other than black become infinite.
      $0.pixelStatistics = PixelStatistics(mean: [0, 0, 0], std: [1e-39, 1e-39, 1e-39])
    }
    let segmentation = try rows(dataset, settings(Segmentation()), explainer: explainer)
    #expect(segmentation.map { $0.failure == nil } == [true, false, false, false, false, true])
    #expect(segmentation[1].failure == "bad file")
    #expect(segmentation[2].failure?.contains("expected a mask") == true)
    #expect(segmentation[3].failure?.contains("expected a class") == true)
    #expect(
      segmentation[4].failure?.contains("not finite") == true && segmentation[4].failure?.hasPrefix("4: ") == true)
    #expect(segmentation[1].statistics.isEmpty && segmentation[5].statistics.count == 3)
    let predicted = try rows(dataset, settings(Segmentation(explained: .predicted)), explainer: explainer)
    #expect(predicted.map { $0.failure == nil } == [true, false, false, true, false, true])
    #expect(predicted[3].isCorrect == nil)
    let perturbation = try rows(dataset, smallSettings(Perturbation()), explainer: explainer)
    #expect(perturbation.map { $0.failure == nil } == [true, false, true, false, false, true])
    let points = try rows(dataset, settings(Points()), explainer: explainer)
    #expect(points.allSatisfy { $0.failure != nil })
  }

  @Test("what is no image's fault ends the run, and rows before it have been told")
  func ends() throws {
    struct Full: Error {}
    let dataset = ShapesDataset(several: 20, single: 0)
    let run = try EvaluationRun(
      explainer: explainer, dataset: dataset, classifier: classifier, settings: settings(Shapes()))
    var told = 0
    #expect(throws: LeGradError(.input, "disk full")) {
      try run.run(Array(0..<20)) { _, _ throws(LeGradError) in
        told += 1
        if told == 3 { throw LeGradError(.input, "disk full") }
      }
    }
    #expect(told == 3)
    let rows = Mutex(0)
    try run.run(
      Array(0..<20), isStopped: { rows.withLock { $0 >= 5 } }, record: { _, _ in rows.withLock { $0 += 1 } })
    #expect(rows.withLock { $0 } == 5)
    // What no image is to blame for, wherever it comes.
    for index in [0, 3, 19] {
      var told = 0
      let broken = BrokenDataset(broken: [index: LeGradError(.device, "gone")])
      let run = try EvaluationRun(
        explainer: explainer, dataset: broken, classifier: classifier, settings: settings(Shapes()))
      #expect(throws: LeGradError(.device, "gone")) { try run.run(Array(0..<20)) { _, _ in told += 1 } }
      #expect(told == index)
    }
  }

  @Test("the same rows on so many threads, with bad images among them", arguments: [1, 2, 3, 16])
  func threads(_ count: Int) throws {
    let broken: [Int: LeGradError] = [
      0: LeGradError(.input, "no picture"), 5: LeGradError(.memory, "too large"), 6: LeGradError(.input, "cut"),
    ]
    let dataset = BrokenDataset(broken: broken)
    var settings = smallSettings(Shapes())
    settings.batchSize = 2
    let expected = try rows(dataset, settings)
    #expect(expected.map(\.index) == Array(0..<20) && expected.count { $0.failure != nil } == 3)
    #expect(expected[5].failure == "too large")
    let explainer = try Explainer.demo { $0.threads = count }
    #expect(try rows(dataset, settings, explainer: explainer) == expected)
    // One image at a time, as it were.
    settings.memoryLimit = 1
    #expect(try rows(dataset, settings, explainer: explainer) == expected)
  }

  @Test("an image at which processes die is left out, and none that was read beside it", arguments: [1, 4])
  func deaths(_ threads: Int) throws {
    let scratch = try ScratchFolder()
    let explainer = try Explainer.demo { $0.threads = threads }
    let settings = settings(Shapes())
    let expected = try rows(BrokenDataset(broken: [:]), settings)
    var rows: [Int: EvaluationRow] = [:]
    for process in 0..<4 {
      let (path, next) = (scratch.path + "/note\(process)", scratch.path + "/note\(process + 1)")
      let note = InFlightNote(path: path)
      #expect(note.leftOut == (process < 2 ? [] : [9]))
      // What the note says while 9 is being read is all that is left of the process.
      let dataset = BrokenDataset(broken: [9: LeGradError(.device, "died")], slow: 3_000) {
        try? AtomicFile.write(WholeFile.read(path, limit: 1 << 20), to: next)
      }
      let run = try EvaluationRun(
        explainer: explainer, dataset: dataset, classifier: classifier, settings: settings)
      let items = (0..<20).filter { rows[$0] == nil }
      do {
        try run.run(items, note: note) { row, _ in rows[row.index] = row }
        break
      } catch { #expect(error.kind == .device) }
    }
    #expect(rows.count == 20)
    for row in expected where row.index != 9 { #expect(rows[row.index] == row) }
    #expect(rows[9]?.failure?.contains("an earlier process of this run died") == true)
  }

  @Test("points of several classes are prompts of one image")
  func severalClasses() throws {
    let dataset = PointDataset()
    let rows = try rows(dataset, settings(Points()))
    #expect(rows.allSatisfy { $0.failure == nil && $0.isCorrect == nil })
    #expect(rows[0].explained == nil && rows[1].explained == "red square")
    for (row, classes) in zip(rows, [[1, 9, 60], [1]]) {
      let image = try dataset.image(at: row.index)
      for (statistics, method) in zip(row.statistics, Self.methods) {
        #expect(statistics.points?.map(\.label) == classes.map { dataset.classIDs[$0] })
        for (index, classIndex) in classes.enumerated() {
          let alone = try explainer.explain(
            [explainer.prepare(image.image)], text: classifier.rows.rows(classIndex..<classIndex + 1),
            methods: [method])[0][0]
          let expected = PointStatistics(
            label: dataset.classIDs[classIndex], points: try #require(image.points[classIndex]),
            heatmap: alone.heatmap(prompt: 0), threshold: 0.5)
          #expect(statistics.points?[index] == expected)
        }
      }
    }
  }

  @Test("a run that makes no sense is refused before it starts")
  func refused() throws {
    let dataset = ShapesDataset(several: 1, single: 0)
    func refused(_ change: (inout EvaluationSettings) -> Void) throws {
      var settings = settings(Shapes())
      change(&settings)
      #expect(throws: LeGradError.self) {
        try EvaluationRun(explainer: explainer, dataset: dataset, classifier: classifier, settings: settings)
      }
    }
    try refused { $0.methods = [.legrad(layers: .last(5))] }
    try refused { $0.methods = [] }
    try refused { $0.size = .pixels(width: 97, height: 96) }
    try refused { $0.batchSize = 0 }
    let other = try ImageClassifier(["a"], rows: classifier.rows.rows(0..<1))
    #expect(throws: LeGradError.self) {
      try EvaluationRun(explainer: explainer, dataset: dataset, classifier: other, settings: settings(Shapes()))
    }
  }

  @Test("another input size, and what the identity depends on")
  func sizes() throws {
    let dataset = ShapesDataset(several: 2, single: 0)
    var settings = settings(Shapes())
    func identity() throws -> RunIdentity {
      try EvaluationRun(explainer: explainer, dataset: dataset, classifier: classifier, settings: settings)
        .identity(modelHash: "model", version: "1")
    }
    let first = try identity()
    settings.batchSize = 3
    #expect(try identity() == first)
    settings.size = .pixels(width: 48, height: 64)
    let second = try identity()
    #expect(second.configuration.texts["size"] == "48x64" && second.id != first.id)
    let rows = try rows(dataset, settings)
    #expect(rows.allSatisfy { $0.failure == nil })
    #expect(rows[0].statistics[0].segmentation?.labelled == 48 * 64)
    settings.benchmark = Shapes(segmentationThreshold: .half)
    #expect(try identity().id != second.id)
    settings.methods = [.rawAttention]
    #expect(try identity().configuration.texts["methods"] == "raw-attention")
  }

  @Test("labels of methods are read back")
  func labels() {
    let methods =
      Method.all + [
        .legrad(layers: .range(0...2), readout: .cls), .legrad(layers: .all, readout: .mean), .rollout(start: 3),
        .textSpan(baseline: .mean), .textSpan(baseline: .prompt(2)),
      ]
    #expect(Set(methods.map(\.label)).count == methods.count)
    for method in methods {
      #expect(Method(label: method.label) == method)
    }
    for bad in [
      "", "legrad", "legrad last:2", "legrad last:0 mean", "rollout from 1", "rollout from", "gradcam x", "x",
      "textspan less", "textspan less none", "textspan less -1", "legrad last:2 mean x",
    ] {
      #expect(Method(label: bad) == nil)
    }
  }
}

/// Six black pictures, but for the fifth; the second cannot be read, the third has no mask, the fourth no class.
private struct FaultyDataset: EvaluationDataset {
  let manifest = Manifest((0..<6).map { Manifest.Entry(id: "\($0)", byteCount: 0, hash: "") })
  let classIDs = SceneObject.classNames
  let classNames = SceneObject.classNames

  func image(at index: Int) throws(LeGradError) -> EvaluationImage {
    guard index != 1 else { throw LeGradError(.input, "bad file") }
    let pixels = [UInt8](repeating: index == 4 ? 200 : 0, count: 30 * 20 * 3)
    return EvaluationImage(
      id: "\(index)", image: RGBImage(width: 30, height: 20, pixels: pixels), classIndex: index == 3 ? nil : 5,
      mask: index == 2 ? nil : LabelMask(height: 20, width: 30, values: (0..<600).map { UInt8($0 % 2) }))
  }
}

/// Twenty scenes, of which some cannot be read.
private struct BrokenDataset: EvaluationDataset {
  let scenes = ShapesDataset(several: 14, single: 6)
  let broken: [Int: LeGradError]
  /// Microseconds that reading takes at most.
  var slow = 0
  /// Called before a broken one fails.
  var whenBroken: @Sendable () -> Void = {}

  var manifest: Manifest { scenes.manifest }
  var classIDs: [String] { scenes.classIDs }
  var classNames: [String] { scenes.classNames }

  func image(at index: Int) throws(LeGradError) -> EvaluationImage {
    if slow > 0 { usleep(UInt32(index * 7919 % slow)) }
    if let error = broken[index] {
      whenBroken()
      throw error
    }
    return try scenes.image(at: index)
  }
}

/// A scene with points of three classes, and one with points of one.
private struct PointDataset: EvaluationDataset {
  let manifest = Manifest((0..<2).map { Manifest.Entry(id: "\($0)", byteCount: 0, hash: "") })
  let classIDs = SceneObject.classNames
  let classNames = SceneObject.classNames

  func image(at index: Int) throws(LeGradError) -> EvaluationImage {
    let points = (0..<9).map {
      LabelledPoint(x: Double($0 % 3) / 2, y: Double($0 / 3) / 2, isPositive: $0.isMultiple(of: 2))
    }
    return EvaluationImage(
      id: "\(index)", image: ShapeScene(seed: 99, objects: 4).image,
      points: index == 0 ? [1: points, 60: Array(points[2...]), 9: Array(points[..<5])] : [1: points])
  }
}
