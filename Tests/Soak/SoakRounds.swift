import Evaluation
import Failures
import Files
import FoundationEssentials
import ImageFiles
import LeGrad

/// Loads, explains, writes, evaluates, merges and reports, over and over. What fails is counted by its kind: faults are
/// meant to happen, and to end in an error.
final class SoakRounds {
  private let model, picture: String
  private let options: Explainer.Options
  private let scratch = "soak"
  private(set) var count = 0
  private(set) var failures: [String: Int] = [:]
  private var successes = 0
  /// Lives as long as the process does, as in a service.
  private var kept: Explainer?

  private static let methods: [Method] = [.legrad(), .rollout(), .gradCAM]

  init(model: String, picture: String, device: String) {
    self.model = model
    self.picture = picture
    var options = Explainer.Options()
    options.device = device == "cpu" ? .cpu : .openCL
    options.threads = 2
    options.cacheFolder = scratch + "/cache"
    self.options = options
  }

  var deviceBytes: Int? { kept?.bytesInUse }
  /// Whether faults left room for something.
  var hasSucceeded: Bool { successes > 0 }

  func run() {
    count += 1
    attempt("explanation") { () throws(LeGradError) in
      let explainer = try keptExplainer()
      for _ in 0..<10 { try explain(by: explainer) }
    }
    attempt("evaluation") { () throws(LeGradError) in try evaluate(by: keptExplainer()) }
    // A driver's compiler has leaks of its own, which are not looked for here.
    guard options.device == .cpu else { return }
    attempt("loading") { () throws(LeGradError) in
      try explain(by: Explainer(Model(folder: model), options: options))
    }
  }

  private func attempt(_ name: String, _ body: () throws(LeGradError) -> Void) {
    do {
      try body()
      successes += 1
    } catch { failures["\(name): \(error.kind)", default: 0] += 1 }
  }

  private func keptExplainer() throws(LeGradError) -> Explainer {
    if let kept { return kept }
    let explainer = try Explainer(Model(folder: model), options: options)
    kept = explainer
    return explainer
  }

  private func explain(by explainer: Explainer) throws(LeGradError) {
    let text = try explainer.encode(["a photo of a cat", "x"])
    let image: RGBImage
    do { image = try RGBImage.decode(path: picture).image } catch { throw LeGradError(error) }
    let explanation = try explainer.explain([try explainer.prepare(image)], text: text, methods: Self.methods)[0][0]
    let heatmap = explanation.heatmap(prompt: 0)
    let drawn = Overlay().draw(heatmap: heatmap.values, width: heatmap.width, height: heatmap.height)
    let bytes: [UInt8]
    do { bytes = try drawn.pngBytes() } catch { throw LeGradError(error) }
    do { try AtomicFile.write(bytes, to: scratch + "/heatmap.png") } catch { throw LeGradError(error) }
  }

  private func evaluate(by explainer: Explainer) throws(LeGradError) {
    let folder = scratch + "/run"
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let dataset = ShapesDataset(several: 12, single: 4)
    let classifier = try ImageClassifier.encode(
      dataset.classNames, templates: .bundledModel, explainer: explainer, modelHash: nil, cacheFolder: nil)
    let run = try EvaluationRun(
      explainer: explainer, dataset: dataset, classifier: classifier,
      settings: EvaluationSettings(Shapes(), methods: Self.methods))
    let recorder = try ShardRecorder(
      folder: folder, identity: run.identity(modelHash: "soak", version: "soak"), manifest: dataset.manifest,
      shard: .whole, resume: true, sync: .everyRecord)
    try run.run(recorder.remaining) { row, _ throws(LeGradError) in try recorder.append(row) }
    try recorder.publish()
    try EvaluationReport(Merge.read([folder])).write(to: folder)
  }
}
