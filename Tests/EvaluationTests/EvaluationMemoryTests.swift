import FoundationEssentials
import LeGrad
import TestSupport
import Testing

@testable import Evaluation

/// Memory does not grow with the data set: `make test-large`.
@Suite(
  .serialized,
  .enabled(if: ProcessInfo.processInfo.environment["LEGRAD_TEST_LARGE"] == "1", "run by make test-large"))
struct EvaluationMemoryTests {
  /// Bytes of this process in memory.
  private var residentBytes: Int {
    get throws {
      let fields = try String(contentsOf: URL(filePath: "/proc/self/statm"), encoding: .utf8).split(separator: " ")
      return try #require(Int(fields[1])) * 4096
    }
  }

  /// The process's own memory on the CPU, the device's on the other.
  @Test(arguments: [DeviceChoice.cpu, .openCL])
  func twoThousandScenes(_ device: DeviceChoice) throws {
    guard device == .cpu || TestDevice.first != nil else { return }
    let explainer = try Explainer.demo { $0.device = device }
    let classifier = try ImageClassifier.encode(
      SceneObject.classNames, templates: .bundledModel, explainer: explainer, modelHash: nil, cacheFolder: nil)
    let dataset = ShapesDataset(several: 1900, single: 100)
    let methods = Method.all.filter { !$0.isFloat64 }
    let run = try EvaluationRun(
      explainer: explainer, dataset: dataset, classifier: classifier,
      settings: EvaluationSettings(Shapes(), methods: methods))
    let scratch = try ScratchFolder()
    let recorder = try ShardRecorder(
      folder: scratch.path, identity: run.identity(modelHash: "demo", version: "test"), manifest: dataset.manifest,
      shard: .whole, resume: false)
    var (early, earlyDevice, largest) = (0, explainer.peakBytes, 0)
    var done = 0
    // Scenes of both kinds first, and both to the end.
    let items = Array(1900..<1920) + Array(0..<1900) + Array(1920..<2000)
    try run.run(items) { row, _ throws(LeGradError) in
      try recorder.append(row)
      done += 1
      guard done % 100 == 0, let bytes = try? residentBytes else { return }
      if done == 400 { (early, earlyDevice) = (bytes, explainer.peakBytes) }
      if done > 400 { largest = max(largest, bytes) }
    }
    #expect(recorder.remaining.isEmpty)
    print(
      "\(explainer.device.name): \(early) bytes after 400 scenes, at most \(largest) later; device",
      explainer.peakBytes ?? 0)
    // Room for the rows' places and for what the allocator keeps.
    #expect(largest <= early + 16 << 20)
    #expect(explainer.peakBytes == earlyDevice)
  }
}
