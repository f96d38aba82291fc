import FoundationEssentials
import LeGrad
import NpyFiles
import Processes
import TestSupport
import VisionTransformer

@testable import Evaluation

/// What `Tests/Fixtures/evaluation/make_fixtures.py` computed with numpy, scikit-learn, h5py and Pillow.
struct Expected: Decodable {
  struct Segmentation: Decodable {
    let images: [String: [String: SegmentationStatistics]]
    let summary: [String: Summary]
    let order: [String]
  }

  struct Summary: Decodable {
    let pixelAccuracy: Double
    let mIoU: Double
    let mAP: Double
  }

  struct Counts: Decodable {
    let truePositives: Int
    let falsePositives: Int
    let falseNegatives: Int
  }

  struct Points: Decodable {
    let points: [Point]
    let counts: Counts
  }

  /// `[x, y, isPositive]`.
  struct Point: Decodable, Equatable {
    let x: Double
    let y: Double
    let isPositive: Bool

    init(from decoder: any Decoder) throws {
      var values = try decoder.unkeyedContainer()
      x = try values.decode(Double.self)
      y = try values.decode(Double.self)
      isPositive = try values.decode(Bool.self)
    }

    var labelled: LabelledPoint { LabelledPoint(x: x, y: y, isPositive: isPositive) }
  }

  struct Perturbation: Decodable {
    let rows: [PerturbationStatistics]
    let accuracy: Double
    let positiveAUC: Double
    let negativeAUC: Double
    let counts: [String: [Int]]
    let mostRelevantFirst: [Int]
    let leastRelevantFirst: [Int]
  }

  struct Masks<Class: Decodable>: Decodable {
    let ids: [String]
    let classes: [Class]
    let images: [SegmentationStatistics]
    let summary: Summary
    let sizes: [[Int]]?
    let pixels: [[UInt8]]?
  }

  struct OpenImages: Decodable {
    struct Summary: Decodable {
      let perClass: Double
      let perImage: Double
    }

    let ids: [String]
    let classes: [String]
    let names: [String]
    let points: [[String: [Point]]]
    let images: [[PointStatistics]]
    let summary: Summary
  }

  struct Folder: Decodable {
    let ids: [String]
    let classes: [Int]
  }

  let segmentation: Segmentation
  let points: Points
  let perturbation: Perturbation
  let imageNetSegmentation: Masks<Int?>
  let hostileSegmentation: [String: String]
  /// Pixels of each image.
  let imageNetStorage: [[UInt8]]
  let maskFolder: Masks<String>
  let openImages: OpenImages
  let imageNet: [String: Folder]

  enum CodingKeys: String, CodingKey {
    case segmentation, points, perturbation
    case imageNetSegmentation = "imagenet-seg"
    case hostileSegmentation = "imagenet-seg-hostile"
    case imageNetStorage = "imagenet-seg-storage"
    case maskFolder = "mask-folder"
    case openImages = "openimages"
    case imageNet = "imagenet-val"
  }

  static func read() throws -> Expected {
    try JSONDecoder().decode(Expected.self, from: Data(contentsOf: URL(filePath: path("expected.json"))))
  }

  /// The command, which lies beside the tests unless `LEGRAD_TEST_COMMAND` names another.
  static func command() throws -> String {
    if let path = ProcessInfo.processInfo.environment["LEGRAD_TEST_COMMAND"] { return path }
    let tests = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
    return String(tests[..<(tests.lastIndex(of: "/") ?? tests.startIndex)]) + "/legrad"
  }

  /// What reads HDF5 files.
  static func hdf5Reader() throws -> AnsweringProcess.Start {
    AnsweringProcess.Start(executable: try command(), arguments: ["read-hdf5"])
  }

  /// A path under `Tests/Fixtures/evaluation`.
  static func path(_ name: String) -> String { Fixtures.path("evaluation/" + name) }

  /// The maps `[images, height, width]` in a file, as the explainer returns them: those in [0, 1] stay what they are.
  static func heatmaps(_ name: String) throws -> [Heatmap] {
    let array = try NpyFile.readFloats(path(name))
    let (height, width) = (array.shape[array.shape.count - 2], array.shape[array.shape.count - 1])
    return stride(from: 0, to: array.values.count, by: height * width).map { start in
      Heatmap(
        relevance: Array(array.values[start..<(start + height * width)]), grid: Grid(height: height, width: width),
        height: height, width: width)
    }
  }
}

/// Whether two numbers are the same but for rounding.
func isClose(_ value: Double?, _ expected: Double) -> Bool { value.map { abs($0 - expected) <= 1e-9 } ?? false }

/// Whether two statistics agree: counts exactly, average precision but for rounding.
func isClose(_ value: SegmentationStatistics, _ expected: SegmentationStatistics) -> Bool {
  value.correct == expected.correct && value.labelled == expected.labelled
    && value.intersections == expected.intersections && value.unions == expected.unions
    && isClose(value.averagePrecision, expected.averagePrecision)
}

/// What `body` reports; nil if it succeeds.
func failure(_ body: () throws -> Void) -> String? {
  do {
    try body()
    return nil
  } catch {
    return "\(error)"
  }
}
