import Failures
import FoundationEssentials
import LeGrad
import TestSupport
import Testing

@testable import Evaluation

@Suite("Configuration of a run")
struct RunConfigurationTests {
  @Test("every benchmark is coded as texts, which give it back", arguments: Benchmarks.all.map { $0.name })
  func roundTrip(_ name: String) throws {
    let configuration = try RunConfiguration.segmentation([
      "protocol": name, "explained": "predicted", "pointThreshold": "0.3", "segmentationThreshold": "0.5",
      "methods": "legrad 0..2 cls, rollout from 2, gradcam", "correction": "0.8 abc", "mean": "0.48145466,0.1,-1e-07",
    ])
    let texts = configuration.texts
    #expect(texts["protocol"] == name && texts["explained"] == "predicted" && texts["correction"] == "0.8 abc")
    #expect(texts["methods"] == "legrad 0..2 cls, rollout from 2, gradcam" && texts["mean"] == "0.48145466,0.1,-1e-07")
    #expect(type(of: configuration.benchmark).name == name)
    #expect(
      configuration.methods == [
        .legrad(layers: .range(0...2), readout: .cls), .rollout(start: 2), .gradCAM,
      ])
    let bytes = try #require(CanonicalJSON.encode(configuration))
    #expect(CanonicalJSON.decode(RunConfiguration.self, bytes) == configuration)
  }

  @Test("a setting is a field, and another value of it another configuration")
  func settings() throws {
    func texts(_ benchmark: some Benchmark) throws -> [String: String] {
      let bytes = try #require(CanonicalJSON.encode(benchmark))
      return try #require(CanonicalJSON.decode([String: String].self, bytes))
    }
    #expect(try texts(Segmentation()) == ["explained": "target", "segmentationThreshold": "mean"])
    #expect(try texts(Segmentation(threshold: .half))["segmentationThreshold"] == "0.5")
    #expect(try texts(Points(threshold: 0.3)) == ["explained": "target", "pointThreshold": "0.3"])
    #expect(try texts(Perturbation()) == ["explained": "predicted"])
    #expect(
      try texts(Shapes(explained: .target, pointThreshold: 0.1)) == [
        "explained": "target", "segmentationThreshold": "mean", "pointThreshold": "0.1",
      ])
    #expect(try RunConfiguration.segmentation() != .segmentation(["segmentationThreshold": "0.5"]))
  }

  @Test(
    "texts that mean nothing here are refused",
    arguments: [
      ("protocol", "magic"), ("methods", ""), ("methods", "magic"), ("methods", "gradcam,rollout"), ("size", "4"),
      ("size", "4x4x4"), ("precision", "f8"), ("filter", "lanczos"), ("mean", "0,x,0"), ("explained", "both"),
      ("segmentationThreshold", "0.4"), ("correction", "0.8"),
    ])
  func refused(field: String, text: String) {
    #expect(throws: DecodingError.self) { try RunConfiguration.segmentation([field: text]) }
  }

  @Test(
    "a whole file that another version wrote is refused by that version's name",
    arguments: [
      ("protocol", "magic"), ("methods", "gradcam, magic"), ("zoom", "2"),
    ])
  func otherVersion(field: String, text: String) throws {
    let (run, folder) = (SyntheticRun(3), try ScratchFolder())
    try run.run(folder.path, shards: 1)
    var configuration = run.configuration.texts
    configuration[field] = text
    let texts = RunIdentity.Texts(
      configuration: configuration, modelHash: "m", manifestHash: run.manifest.hash, version: "9.1")
    let file = folder.path + "/run.json"
    func refusal(id: String) throws -> String {
      try write(try #require(CanonicalJSON.encode(Pinned(id: id, identity: texts), indented: true)), file)
      let error = evaluationError { () throws(LeGradError) in _ = try Merge.read([folder.path]) }
      #expect(error?.kind == .inconsistent)
      return error?.description ?? ""
    }
    let other = try refusal(id: texts.id)
    #expect(other.hasPrefix(file) && other.contains("of legrad 9.1; use the program that computed it"), "\(other)")
    // Changed by hand, its id is another's.
    #expect(try refusal(id: run.identity.id).contains("expected the file as legrad wrote it"))
  }

  private struct Pinned: Codable {
    let id: String
    let identity: RunIdentity.Texts
  }
}

/// `Tests/Fixtures/evaluation/run-0.1.0`: three scenes of either kind in two shards, by version 0.1.0, with its reports.
@Suite("A run of version 0.1.0")
struct OldRunTests {
  private let folder = Expected.path("run-0.1.0")

  @Test("is merged to the bytes of its reports")
  func merged() throws {
    let report = try EvaluationReport(Merge.read([folder]))
    #expect(report.images == 6 && report.lines.count == 6)
    #expect(try report.markdown == text(folder + "/report.md"))
    #expect(try report.csv == text(folder + "/report.csv"))
    #expect(try report.json == text(folder + "/report.json"))
  }

  /// Its manifest has hashes of pixels; `ShapeScene.drawing` stands for these here.
  @Test("has the identity that the same run has here, but for the manifest's hash")
  func identity() throws {
    let pinned = try Merge.read([folder]).identity
    let explainer = try Explainer.demo()
    let dataset = ShapesDataset(several: 3, single: 3)
    let classifier = try ImageClassifier.encode(
      dataset.classNames, templates: .bundledModel, explainer: explainer, modelHash: nil, cacheFolder: nil)
    var settings = EvaluationSettings(Shapes(), methods: pinned.configuration.methods)
    settings.size = .pixels(width: 32, height: 32)
    let run = try EvaluationRun(explainer: explainer, dataset: dataset, classifier: classifier, settings: settings)
    let identity = run.identity(modelHash: pinned.modelHash, version: pinned.version)
    let differences = identity.differences(from: pinned)
    #expect(differences.count == 1 && differences.allSatisfy { $0.hasPrefix("manifestHash: ") }, "\(differences)")
  }
}
