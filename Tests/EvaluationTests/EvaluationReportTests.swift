import Failures
import Foundation
import LeGrad
import TestSupport
import Testing

@testable import Evaluation

@Suite("Reports")
struct EvaluationReportTests {
  private func identity(_ texts: [String: String]) throws -> RunIdentity {
    try RunIdentity(
      configuration: .segmentation(texts), modelHash: "0123456789abcdef", manifestHash: "h", version: "1")
  }

  /// 16 pixels, of which `correct` agree; the rest is found and not there.
  private func segmentation(_ correct: Int, precision: Double) -> ImageStatistics {
    ImageStatistics(
      segmentation: SegmentationStatistics(
        correct: correct, labelled: 16, intersections: [correct - 4, 4], unions: [12, 20 - correct],
        averagePrecision: precision))
  }

  private var rows: [EvaluationRow] {
    [
      EvaluationRow(
        index: 0, id: "a", device: "d1", isCorrect: true, statistics: [segmentation(16, precision: 1)]),
      EvaluationRow(
        index: 1, id: "b", device: "d1", isCorrect: false, statistics: [segmentation(8, precision: 0.5)]),
      EvaluationRow(index: 2, id: "c", device: "d2", failure: "c: cut | short"),
    ]
  }

  private func object(_ report: EvaluationReport) throws -> [String: Any] {
    try #require(JSONSerialization.jsonObject(with: Data(report.json.utf8)) as? [String: Any])
  }

  @Test("masks: all images, and those that are classified correctly")
  func masks() throws {
    let report = try EvaluationReport(
      identity: identity([
        "protocol": "segmentation", "methods": "legrad last:2 mean", "segmentationThreshold": "mean",
        "explained": "target",
      ]), rows: rows)
    let object = try object(report)
    #expect(object["pixelAccuracy"] as? Double == 24.0 / 32)
    #expect(object["mIoU"] as? Double == (16.0 / 24 + 8.0 / 16) / 2)
    #expect(object["mAP"] as? Double == 0.75)
    #expect(object["accuracy"] as? Double == 0.5)
    let correct = try #require(object["correct"] as? [String: Any])
    #expect(correct["pixelAccuracy"] as? Double == 1 && correct["mIoU"] as? Double == 1)
    #expect(correct["images"] as? Int == 1 && correct["accuracy"] == nil)
    #expect(object["method"] as? String == "legrad" && object["layers"] as? String == "last:2")
    #expect(object["readout"] as? String == "mean" && object["threshold"] as? String == "mean")
    #expect(object["explain"] as? String == "target" && object["devices"] as? [String] == ["d1", "d2"])
    #expect(object["images"] as? Int == 3 && object["failed"] as? Int == 1)
    #expect(object["failures"] as? [[String: String]] == [["id": "c", "reason": "c: cut | short"]])
    #expect(
      report.table == """
        | method | pixel accuracy | mIoU | mAP | accuracy | images |
        |---|---|---|---|---|---|
        | legrad last:2 mean | 0.7500 | 0.5833 | 0.7500 | 0.5000 | 2 |

        """)
    #expect(report.markdown.contains("| legrad last:2 mean | 1.0000 | 1.0000 | 1.0000 | 1 |"))
    #expect(report.markdown.contains("- c: cut | short\n"))
    #expect(
      report.csv == """
        label,method,layers,readout,pixelAccuracy,mIoU,mAP,accuracy,images,failed,\
        correct_pixelAccuracy,correct_mIoU,correct_mAP,correct_images
        legrad last:2 mean,legrad,last:2,mean,0.75,0.5833333333333333,0.75,0.5,3,1,1.0,1.0,1.0,1

        """)
  }

  @Test("points and perturbation, several methods: an array")
  func points() throws {
    let statistics = [
      ImageStatistics(points: [
        PointStatistics(label: "x", truePositives: 1, falsePositives: 1, falseNegatives: 2),
        PointStatistics(label: "y", truePositives: 3, falsePositives: 0, falseNegatives: 0),
      ]),
      ImageStatistics(
        perturbation: PerturbationStatistics(
          isHit: true, positiveHits: [Bool](repeating: false, count: 9),
          negativeHits: [Bool](repeating: true, count: 9))),
    ]
    let report = try EvaluationReport(
      identity: identity(["protocol": "points", "methods": "gradcam, rollout from 2", "pointThreshold": "0.5"]),
      rows: [EvaluationRow(index: 0, id: "a", device: "d", statistics: statistics)])
    let objects = try #require(JSONSerialization.jsonObject(with: Data(report.json.utf8)) as? [[String: Any]])
    #expect(objects.map { $0["method"] as? String } == ["gradcam", "rollout"])
    #expect(objects.map { $0["label"] as? String } == ["gradcam", "rollout from 2"])
    #expect(objects[0]["perClass"] as? Double == 0.625 && objects[0]["perImage"] as? Double == 0.625)
    #expect(objects[0]["threshold"] as? Double == 0.5 && objects[0]["layers"] == nil)
    #expect(abs(try #require(objects[1]["positiveAUC"] as? Double) - 0.05) < 1e-12)
    #expect(abs(try #require(objects[1]["negativeAUC"] as? Double) - 0.9) < 1e-12)
    #expect(report.table.contains("| gradcam | 0.6250 | 0.6250 |  |  | 1 |"))
    #expect(report.csv.contains("rollout from 2,rollout,,,,,"))
  }

  @Test("nothing but failures is a report without figures")
  func allFailed() throws {
    let report = try EvaluationReport(
      identity: identity(["protocol": "segmentation", "methods": "gradcam"]), rows: [rows[2]])
    #expect(report.table == "| method | images |\n|---|---|\n| gradcam | 0 |\n")
    #expect(try object(report)["pixelAccuracy"] == nil)
  }

  @Test("many failures are counted, and some are named")
  func manyFailures() throws {
    let rows = (0..<1500).map { EvaluationRow(index: $0, id: "\($0)", device: "d", failure: "reason \($0)") }
    let report = try EvaluationReport(identity: identity(["methods": "gradcam"]), rows: rows)
    #expect(report.markdown.contains("- and 1480 more"))
    let object = try object(report)
    #expect((object["failures"] as? [Any])?.count == 1000 && object["failed"] as? Int == 1500)
  }

  @Test("methods that are not those of the rows are refused")
  func otherMethods() throws {
    let identity = try identity(["methods": "gradcam, legrad last:2 mean"])
    let error = #expect(throws: LeGradError.self) { try EvaluationReport(identity: identity, rows: rows) }
    #expect(error?.kind == .inconsistent)
  }

  @Test("files appear in the folder, and a folder that is none is an error")
  func files() throws {
    let scratch = try ScratchFolder()
    let report = try EvaluationReport(identity: identity(["methods": "gradcam"]), rows: rows)
    try report.write(to: scratch.path)
    #expect(try scratch.listing == ["report.csv", "report.json", "report.md"])
    let written = try Data(contentsOf: URL(filePath: scratch.path + "/report.json"))
    #expect(written.elementsEqual(report.json.utf8))
    #expect(throws: LeGradError.self) { try report.write(to: scratch.path + "/absent") }
  }
}

extension RunConfiguration {
  /// One of masks, as its file has it, with some fields other than usual.
  static func segmentation(_ texts: [String: String] = [:]) throws -> RunConfiguration {
    let usual = [
      "classes": "c", "explained": "target", "filter": "bilinear", "mean": "0.5,0.25,0", "methods": "gradcam",
      "model": "m", "precision": "f32", "protocol": "segmentation", "segmentationThreshold": "mean", "size": "4x4",
      "std": "1.0,0.1,2.0", "templates": "a {}",
    ]
    return try JSONDecoder().decode(
      RunConfiguration.self, from: JSONEncoder().encode(usual.merging(texts) { _, other in other }))
  }
}
