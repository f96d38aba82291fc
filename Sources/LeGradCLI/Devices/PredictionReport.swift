import Compute
import LeGrad

/// What a device was expected to take, beside what one took.
struct PredictionReport: Encodable, Sendable, Equatable {
  struct Part: Encodable, Sendable, Equatable {
    let stage: String
    let operations: Int
    let gflop: Double
    let megabytes: Double
    let predictedSeconds: Double
    /// What most of that time is spent with.
    let bottleneck: String
    @NullIfMissing var measuredSeconds: Double?
  }

  let arch: String
  let method: String
  let images, prompts: Int
  let size: String
  let precision: String
  /// The device whose time is predicted, the kernels that it runs if it is a described one, and where its figures come
  /// from.
  let device, kernels, source: String
  /// The one that was measured; empty where none was.
  let measuredDevice: String
  let parts: [Part]
  /// Of the run on the device: of all stages, or of its launches where they take longer.
  let predictedSeconds: Double
  /// Starts of kernels by the host, where it runs beside the device.
  let launches: Int
  let launchSeconds: Double
  /// The sum of all stages, each operation by itself.
  @NullIfMissing var stageSeconds: Double?
  /// From pixels to relevance, as it is run without looking at its stages.
  @NullIfMissing var measuredSeconds: Double?
  /// `predictedSeconds` by `measuredSeconds`, in the middle of runs and predictions in turn.
  @NullIfMissing var predictedShare: Double?
  /// From relevance to heatmaps, which is the host's work whatever the device.
  @NullIfMissing var heatmapSeconds: Double?

  /// A table for people.
  var lines: [String] {
    var table = ColumnTable(["stage", "operations", "GFLOP", "MB", "predicted ms", "bound by", "measured ms"])
    for part in parts {
      table.append([
        part.stage, "\(part.operations)", part.gflop.decimal(places: 3), part.megabytes.decimal(places: 1),
        Self.milliseconds(part.predictedSeconds), part.bottleneck, Self.milliseconds(part.measuredSeconds),
      ])
    }
    table.append([
      "all", "\(parts.reduce(0) { $0 + $1.operations })",
      parts.reduce(0) { $0 + $1.gflop }.decimal(places: 3), parts.reduce(0) { $0 + $1.megabytes }.decimal(places: 1),
      Self.milliseconds(predictedSeconds),
      launchSeconds > parts.reduce(0) { $0 + $1.predictedSeconds }
        ? Bottleneck.launches.rawValue : "", Self.milliseconds(stageSeconds),
    ])
    let heading =
      "\(arch) \(method), \(images) images, \(prompts) prompts, \(precision), predicted for \(device)"
      + (kernels.isEmpty ? "" : ", \(kernels) kernels") + " (\(source))"
    return [heading] + table.lines(indent: 2) + [remark].compactMap { $0 }
  }

  private var remark: String? {
    guard let measuredSeconds, let predictedShare, let heatmapSeconds else { return nil }
    return "  measured on \(measuredDevice): \(Self.milliseconds(measuredSeconds)) ms without looking at stages, "
      + "and \(Self.milliseconds(heatmapSeconds)) ms for heatmaps on the host; "
      + "the prediction is \(predictedShare.decimal(places: 2)) of it"
  }

  private static func milliseconds(_ seconds: Double?) -> String {
    seconds.map { ($0 * 1e3).decimal(places: 3) } ?? "-"
  }
}

extension PredictionReport.Part {
  /// - Parameters:
  ///   - predicted: seconds in place of the part's.
  ///   - measured: seconds; nil where nothing was.
  init(_ part: Prediction.Part, predicted: Double? = nil, measured: Double? = nil) {
    self.init(
      stage: part.stage.rawValue, operations: part.operations, gflop: part.arithmetic / 1e9,
      megabytes: Double(part.bytes) / 1e6, predictedSeconds: predicted ?? part.seconds,
      bottleneck: part.bottleneck.rawValue, measuredSeconds: measured)
  }
}

extension PredictionReport {
  /// Of batches of `batchSize` on a device that nobody has, without weights.
  init(
    _ model: Model, on device: PredictedDevice, method: Method, images: Int, batchSize: Int, prompts: Int,
    width: Int, height: Int, precision: Precision, folds: Bool
  ) throws(LeGradError) {
    var steps: [RunTrace.Step] = []
    for first in stride(from: 0, to: images, by: batchSize) {
      steps += try RunTrace(
        of: model, methods: [method], images: min(batchSize, images - first), prompts: prompts, width: width,
        height: height, precision: precision, folds: folds, rowsToJoin: device.rowsToJoin
      ).steps
    }
    let prediction = Prediction(steps, on: device)
    self.init(
      arch: model.name, method: method.name, images: images, prompts: prompts, size: "\(width)x\(height)",
      precision: method.precisionName(on: precision), device: device.title, kernels: device.kernels?.rawValue ?? "",
      source: device.source, measuredDevice: "",
      parts: prediction.parts.map { Part($0) }, predictedSeconds: prediction.seconds, launches: prediction.launches,
      launchSeconds: prediction.launchSeconds, stageSeconds: nil, measuredSeconds: nil, predictedShare: nil,
      heatmapSeconds: nil)
  }
}

/// The device whose time a benchmark predicts.
enum PredictionTarget: Sendable {
  /// With these kernels; with those that suit the precision if nil.
  case known(PredictedDevice, KernelVariant?)
  /// The one that is measured.
  case this
}
