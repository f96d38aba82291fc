import Compute
import FoundationEssentials
import ImageFiles
import LeGrad
import TestSupport
import Testing

@testable import Evaluation

/// A run whose rows are made up, with numbers that are hard to write.
struct SyntheticRun {
  let manifest: Manifest
  var configuration = RunConfiguration(
    benchmark: Segmentation(), methods: [.legrad(), .rollout(), .gradCAM], model: "model",
    precision: .f32, size: .init(width: 40, height: 30), filter: .bilinear, mean: [0, 0.5, 1], std: [1, 0.1, 2],
    classes: "c", source: .templates("a photo of a {}"))

  /// - Parameter count: how many images.
  init(_ count: Int) {
    // The order of the numbers is not the order of the names.
    manifest = Manifest((0..<count).map { .init(id: "bild-\($0)-é\"\\\n.png", byteCount: $0, hash: "h\($0)") })
  }

  var identity: RunIdentity {
    RunIdentity(configuration: configuration, modelHash: "m", manifestHash: manifest.hash, version: "1")
  }

  /// Numbers between 0 and 1 whose shortest texts have many digits, exponents, or a sign.
  private static let ugly = [
    0.1, 1.0 / 3, 0.1 + 0.2, 1 - 0x1p-53, 0x1p-1074, 2.2250738585072014e-308, 0x1.8p-1060, 0, 1, 1e-5, 1e-7,
    0x1.FFFFFFFFFFFFFp-1, 0x1.0000000000001p-3, 123_456_789_012_345_680e-18, 4.35, 0.3,
  ].map { $0 > 1 ? $0 / 16 : $0 }

  func row(_ index: Int, device: String = "a device") -> EvaluationRow {
    let id = manifest.entries[index].id
    if index % 11 == 5 { return EvaluationRow(index: index, id: id, device: device, failure: "cut\nshort\u{1}") }
    var random = SeededRandom(seed: UInt64(index))
    let statistics = (0..<3).map { method in
      var value = Self.ugly[(index + method) % Self.ugly.count]
      if index % 2 == 1 { value = random.uniform() }
      let (half, whole) = (Int(random.next() % 1000), 1000 + Int(random.next() % 1000))
      return ImageStatistics(
        segmentation: SegmentationStatistics(
          correct: half, labelled: whole, intersections: [half / 2, half / 3], unions: [half, half],
          averagePrecision: value),
        points: [PointStatistics(label: "/m/01", truePositives: index, falsePositives: 0, falseNegatives: method)],
        perturbation: PerturbationStatistics(
          isHit: true, positiveHits: (0..<9).map { _ in random.next() % 2 == 0 },
          negativeHits: (0..<9).map { _ in random.next() % 2 == 0 }))
    }
    return EvaluationRow(index: index, id: id, device: device, isCorrect: index % 3 == 0, statistics: statistics)
  }

  func recorder(_ folder: String, _ shard: Shard, resume: Bool = false) throws(LeGradError) -> ShardRecorder {
    try ShardRecorder(folder: folder, identity: identity, manifest: manifest, shard: shard, resume: resume)
  }

  /// Runs a shard to its end, last image first.
  func run(_ folder: String, _ shard: Shard, device: String = "a device") throws(LeGradError) {
    let recorder = try recorder(folder, shard)
    for index in recorder.remaining.reversed() { try recorder.append(row(index, device: device)) }
    try recorder.publish()
  }

  func run(_ folder: String, shards: Int) throws {
    for index in (0..<shards).reversed() { try run(folder, try #require(Shard(index: index, count: shards))) }
  }

  /// Every bit of what a merge gives.
  func bits(_ folders: String...) throws -> [[UInt8]] {
    let merge = try Merge.read(folders)
    #expect(merge.identity == identity)
    #expect(merge.manifest == manifest)
    return try merge.rows.map { try #require(CanonicalJSON.encode($0)) }
  }

  /// What `bits` has to be.
  var expectedBits: [[UInt8]] {
    get throws { try manifest.entries.indices.map { try #require(CanonicalJSON.encode(row($0))) } }
  }
}

/// The statistics that the program has, by name.
extension ImageStatistics {
  init(
    segmentation: SegmentationStatistics? = nil, points: [PointStatistics]? = nil,
    perturbation: PerturbationStatistics? = nil
  ) {
    self.init()
    self[Segmentation.self] = segmentation
    self[Points.self] = points
    self[Perturbation.self] = perturbation
  }

  var segmentation: SegmentationStatistics? { self[Segmentation.self] }
  var points: [PointStatistics]? { self[Points.self] }
  var perturbation: PerturbationStatistics? { self[Perturbation.self] }
}

/// What `body` throws.
func evaluationError(_ body: () throws(LeGradError) -> Void) -> LeGradError? {
  do {
    try body()
    return nil
  } catch { return error }
}

func bytes(_ path: String) throws -> [UInt8] { [UInt8](try Data(contentsOf: URL(filePath: path))) }

func write(_ bytes: some Sequence<UInt8>, _ path: String) throws { try Data(bytes).write(to: URL(filePath: path)) }

func write(_ text: String, _ path: String) throws { try write(text.utf8, path) }

func text(_ path: String) throws -> String { String(decoding: try bytes(path), as: UTF8.self) }
