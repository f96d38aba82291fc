import FoundationEssentials
import LeGrad
import NpyFiles
import TestSupport
import Testing
import VisionTransformer

@testable import Evaluation

@Suite("Metrics against numpy and scikit-learn")
struct MetricTests {
  let expected: Expected

  init() throws { expected = try Expected.read() }

  @Test("segmentation: counts, average precision, summary", arguments: SegmentationThreshold.allCases)
  func segmentation(threshold: SegmentationThreshold) throws {
    var rows: [SegmentationStatistics] = []
    for name in expected.segmentation.order {
      let heatmap = try NpyFile.readFloats(Expected.path("metrics/\(name).heatmap.npy")).values
      let mask = try NpyFile.readBytes(Expected.path("metrics/\(name).mask.npy")).values
      let row = SegmentationStatistics(heatmap: heatmap, mask: mask, threshold: threshold)
      let reference = try #require(expected.segmentation.images[name]?[threshold.rawValue])
      #expect(isClose(row, reference), "\(name): \(row), expected \(reference)")
      rows.append(row)
    }
    #expect(rows.count == 10)
    let summary = try #require(SegmentationSummary(rows))
    let reference = try #require(expected.segmentation.summary[threshold.rawValue])
    #expect(isClose(summary.pixelAccuracy, reference.pixelAccuracy))
    #expect(isClose(summary.mIoU, reference.mIoU))
    #expect(isClose(summary.mAP, reference.mAP))
  }

  @Test("a flat map is what its min–max makes of it in the public code: not a number anywhere", arguments: [0, 0.7, 1])
  func flatMap(value: Float) {
    let mask: [UInt8] = [1, 0, 0, 1, 0]
    let flat = SegmentationStatistics(heatmap: [Float](repeating: value, count: 5), mask: mask, threshold: .half)
    let none = SegmentationStatistics(heatmap: [Float](repeating: .nan, count: 5), mask: mask, threshold: .half)
    #expect(flat == none)
    #expect(flat.intersections == [3, 0])
    #expect(flat.averagePrecision == 0.5)
  }

  @Test("mIoU counts a region that is nowhere as 0")
  func noRegion() throws {
    let row = SegmentationStatistics(heatmap: [0, 0.1], mask: [0, 0], threshold: .half)
    let summary = try #require(SegmentationSummary([row]))
    #expect(summary.pixelAccuracy == 1)
    #expect(summary.mIoU == 0.5)
  }

  @Test("points, the image's edges among them")
  func points() throws {
    let heatmap = try #require(try Expected.heatmaps("metrics/points.heatmap.npy").first)
    let statistics = PointStatistics(
      label: "a", points: expected.points.points.map(\.labelled), heatmap: heatmap, threshold: 0.5)
    #expect(statistics.truePositives == expected.points.counts.truePositives)
    #expect(statistics.falsePositives == expected.points.counts.falsePositives)
    #expect(statistics.falseNegatives == expected.points.counts.falseNegatives)
  }

  @Test("points per class and per image: what has no IoU is left out")
  func pointSummary() throws {
    func row(_ label: String, _ tp: Int, _ fp: Int, _ fn: Int) -> PointStatistics {
      PointStatistics(label: label, truePositives: tp, falsePositives: fp, falseNegatives: fn)
    }
    let summary = try #require(
      PointSummary([[row("a", 1, 0, 1), row("none", 0, 0, 0)], [], [row("a", 0, 0, 0), row("b", 0, 3, 0)]]))
    // a: 1 of 2, b: 0 of 3; pairs: 1/2, 0/3.
    #expect(summary.perClass == 0.25)
    #expect(summary.perImage == 0.25)
    #expect(PointSummary([[row("none", 0, 0, 0)]]) == nil)
    #expect(PointSummary([]) == nil)
  }

  @Test("perturbation: accuracy and areas")
  func perturbation() throws {
    let reference = expected.perturbation
    let summary = try #require(PerturbationSummary(reference.rows))
    #expect(isClose(summary.accuracy, reference.accuracy))
    #expect(isClose(summary.positiveAUC, reference.positiveAUC))
    #expect(isClose(summary.negativeAUC, reference.negativeAUC))
    #expect(PerturbationSummary([PerturbationStatistics]()) == nil)
  }

  @Test("perturbation: always a hit gives 0.9")
  func perturbationBound() throws {
    let hits = [Bool](repeating: true, count: 9)
    let summary = PerturbationSummary([
      PerturbationStatistics(isHit: true, positiveHits: hits, negativeHits: hits)
    ])
    #expect(isClose(summary?.positiveAUC, 0.9))
  }

  @Test("perturbation: pixels per step and their order, ties by ascending index")
  func order() throws {
    let reference = expected.perturbation
    for (pixels, counts) in reference.counts {
      #expect(PerturbationSteps.pixelCounts(of: try #require(Int(pixels))) == counts, "\(pixels) pixels")
    }
    #expect(
      PerturbationSteps.pixelCounts(of: 224 * 224)
        == [5017, 10035, 15052, 20070, 25088, 30105, 35123, 40140, 45158])
    let heatmap = try NpyFile.readFloats(Expected.path("metrics/order.heatmap.npy")).values
    #expect(PerturbationSteps.order(heatmap, mostRelevantFirst: true) == reference.mostRelevantFirst)
    #expect(PerturbationSteps.order(heatmap, mostRelevantFirst: false) == reference.leastRelevantFirst)
  }

  @Test("any floats are ordered as a stable sort orders them", arguments: [true, false])
  func scoreOrder(descending: Bool) {
    var random = SeededRandom(seed: 5)
    var scores = (0..<5_000).map { _ in Float(random.normal() * 4).rounded() / 4 }
    scores += [
      .infinity, -.infinity, 0, -0.0, .leastNonzeroMagnitude, -.leastNonzeroMagnitude, .nan, .greatestFiniteMagnitude,
    ]
    let numbers = scores.map { $0.isNaN ? 0 : $0 }
    let reference = scores.indices.sorted { first, second in
      if numbers[first] == numbers[second] { return first < second }
      return descending ? numbers[first] > numbers[second] : numbers[first] < numbers[second]
    }
    #expect(ScoreOrder.indices(of: scores, descending: descending) == reference)
    #expect(ScoreOrder.indices(of: [], descending: descending) == [])
  }

  @Test("average precision stays within [0, 1], without a true entry too")
  func precisionBounds() {
    #expect(AveragePrecision.value(scores: [0.1, 0.2], truths: [false, false]) == 0)
    for count in 1..<200 {
      let scores = (0..<count).map { Float($0) }
      #expect((0...1).contains(AveragePrecision.value(scores: scores, truths: scores.map { _ in true })))
    }
  }

  @Test("masks are squashed as Pillow does it", arguments: [(5, 5), (32, 24), (11, 8), (11, 17)])
  func maskResizing(height: Int, width: Int) throws {
    let mask = try NpyFile.readBytes(Expected.path("metrics/resize.mask.npy"))
    let resized = LabelMask(height: 11, width: 17, values: mask.values).resized(height: height, width: width)
    let reference = try NpyFile.readBytes(Expected.path("metrics/resize.\(height)x\(width).npy"))
    #expect([resized.height, resized.width] == reference.shape)
    #expect(resized.values == reference.values)
  }
}

@Suite("Statistics as JSON")
struct StatisticsTests {
  @Test("every bit comes back")
  func roundTrip() throws {
    let row = ImageStatistics(
      segmentation: SegmentationStatistics(
        correct: 3, labelled: 5, intersections: [2, 1], unions: [4, 3], averagePrecision: 0.1 + 0.2),
      points: [PointStatistics(label: "/m/0\"", truePositives: 1, falsePositives: 2, falseNegatives: 3)],
      perturbation: PerturbationStatistics(
        isHit: true, positiveHits: [Bool](repeating: false, count: 9), negativeHits: [Bool](repeating: true, count: 9)))
    #expect(try JSONDecoder().decode(ImageStatistics.self, from: JSONEncoder().encode(row)) == row)
  }

  @Test(
    "what no image can have is refused",
    arguments: [
      #"{"correct":6,"labelled":5,"intersections":[2,1],"unions":[4,3],"averagePrecision":0.5}"#,
      #"{"correct":-1,"labelled":5,"intersections":[2,1],"unions":[4,3],"averagePrecision":0.5}"#,
      #"{"correct":3,"labelled":5,"intersections":[2],"unions":[4,3],"averagePrecision":0.5}"#,
      #"{"correct":3,"labelled":5,"intersections":[5,1],"unions":[4,3],"averagePrecision":0.5}"#,
      #"{"correct":3,"labelled":5,"intersections":[2,1],"unions":[4,6],"averagePrecision":0.5}"#,
      #"{"correct":3,"labelled":5,"intersections":[2,1],"unions":[4,3],"averagePrecision":1.5}"#,
      #"{"correct":3,"labelled":9223372036854775807,"intersections":[2,1],"unions":[4,3],"averagePrecision":0.5}"#,
    ])
  func implausibleSegmentation(json: String) {
    #expect(throws: DecodingError.self) {
      try JSONDecoder().decode(ImageStatistics.self, from: Data(#"{"segmentation":\#(json)}"#.utf8))
    }
  }

  @Test("counts of points and hits are refused likewise")
  func implausibleOthers() {
    for json in [
      #"{"points":[{"label":"a","truePositives":-1,"falsePositives":0,"falseNegatives":1}]}"#,
      #"{"points":[{"label":"a","truePositives":1,"falsePositives":0,"falseNegatives":9223372036854775807}]}"#,
      #"{"perturbation":{"isHit":true,"positiveHits":[true],"negativeHits":[]}}"#,
    ] {
      #expect(throws: DecodingError.self) { try JSONDecoder().decode(ImageStatistics.self, from: Data(json.utf8)) }
    }
  }
}
