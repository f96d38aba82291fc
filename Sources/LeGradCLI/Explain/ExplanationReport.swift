import ImageFiles
import LeGrad
import VisionTransformer

/// What `STEM.json` and `--json` say of one image.
struct ExplanationReport: Codable, Sendable {
  struct Point: Codable, Equatable, Sendable {
    let x, y: Int
  }

  struct Size: Codable, Equatable, Sendable {
    let width, height: Int
  }

  struct Prompt: Codable, Sendable {
    let prompt: String
    /// Tokens that the text tower read, framing included, and those of the text that it had no room for; absent
    /// for embeddings that were given.
    let tokens: Int?
    let tokensCut: Int?
    /// Cosine of the image's and the prompt's embedding; absent for a class.
    let similarity: Float?
    /// What a classifier says of its class; absent for prompts.
    let `class`: Class?
    /// The relevance is the same everywhere; the heatmap is then zero.
    let flat: Bool
    /// Smallest and largest relevance, before any correction, enlargement and min–max.
    let relevanceRange: [Float]
    /// Centre of the patch (or pixel, where relevance has pixels) with the largest relevance, in pixels of the upright
    /// image; absent for a flat map. Padding is no part of the image.
    let maximum: Point?
  }

  struct Class: Codable, Sendable {
    /// The class's number, from 0.
    let index: Int
    let name: String
    let logit: Float
    /// The softmax of the logits of all classes.
    let probability: Float

    init(_ score: ClassScore) {
      (index, name, logit, probability) = (score.number, score.name, score.logit, score.probability)
    }
  }

  struct ModelIdentity: Codable, Sendable {
    let name: String
    /// SHA-256 of the weight files, one after the other.
    let hash: String?
  }

  /// SigLIP's correction by a text without content; absent where maps are not corrected.
  struct Correction: Codable, Equatable, Sendable {
    let threshold: Float
    /// Patches that are zero in every heatmap.
    let suppressedPatches: Int

    init(_ correction: EmptyTextCorrection, suppressed: Int) {
      threshold = correction.threshold
      suppressedPatches = suppressed
    }
  }

  struct Device: Codable, Sendable {
    let name: String
    /// `native` or `OpenCL`.
    let backend: String
    /// OpenCL's platform and driver; absent for the native backend.
    let platform, driver: String?
    /// The instruction set or the kernels in use.
    let variant: String
    /// Whether the weights exceeded the device and went there block by block.
    let streaming: Bool
    /// True where the tower was folded; absent elsewhere.
    let folded: Bool?
    let reason: String
  }

  /// How far the native CPU backend's float32 result is.
  struct Verification: Codable, Sendable {
    /// What was compared: `relevance`, as a share of its maximum, or `heatmap`.
    let compared: String
    let error, bound: Double
  }

  struct Orientation: Codable, Sendable {
    /// The EXIF value in the file, 1 for upright.
    let stored: Int
    /// Whether the image was turned by it.
    let applied: Bool
  }

  struct Timings: Codable, Sendable {
    let decodeSeconds, prepareSeconds: Double
    /// The batch's time divided by its images.
    let explainSeconds: Double
    /// Seconds of work on the files other than this report, whichever threads did it.
    let writeSeconds: Double
  }

  let version: String
  let image: String
  /// The upright image's size.
  let imageSize: Size
  let orientation: Orientation
  /// What in the file is against its format's standard, though every pixel was read; absent where nothing is.
  let decodingRemark: String?
  let prompts: [Prompt]
  let model: ModelIdentity
  let method: String
  /// What the method was told; absent for a method that can be told nothing.
  let options: [String: String]?
  let correction: Correction?
  /// Blocks that the method read, 0-based; LeGrad sums over them.
  let layers: [Int]
  let device: Device
  let precision: String
  /// Absent where it was not asked for.
  let verification: Verification?
  let batchSize: Int
  let inputSize: Size
  let grid: Size
  let resize: String
  let filter: String
  let mean, std: [Double]
  /// The part of the upright image that was explained.
  let region: PixelRegion
  /// The overlays' size; absent where there are none.
  let overlaySize: Size?
  let timings: Timings
  let outputFolder: String
  let files: OutputPlan.Files
}

/// What `--json` says of an image that failed.
struct FailureReport: Codable, Sendable {
  let image: String
  let error: String
}

extension ExplanationReport.Device {
  init(_ device: DeviceDescription) {
    self.init(
      name: device.name, backend: device.backend.rawValue, platform: device.platform, driver: device.driver,
      variant: device.variant?.description ?? "", streaming: device.isStreaming,
      folded: device.isFolded ? true : nil, reason: device.reason.advice)
  }
}

extension ExplanationReport.Verification {
  init(_ disagreement: Disagreement) {
    self.init(compared: disagreement.measure.rawValue, error: disagreement.error, bound: disagreement.bound)
  }
}

extension ExplanationReport.Point {
  /// Centre of the patch with the largest relevance of `prompt`, in pixels of `image`, which `region` is a part of or
  /// goes beyond: of patches whose centre lies in the padding there is none. Ties go to the first in reading order.
  init?(maximumOf explanation: Explanation, prompt: Int, region: PixelRegion, image: ExplanationReport.Size) {
    let grid = explanation.mapSize
    let cells = explanation.correctedRelevance(prompt: prompt)
    func centre(_ index: Int, of count: Int, start: Int, length: Int) -> Int {
      start + min(length - 1, Int((Double(index) + 0.5) * Double(length) / Double(count)))
    }
    func centre(of cell: Int) -> Self {
      Self(
        x: centre(cell % grid.width, of: grid.width, start: region.x, length: region.width),
        y: centre(cell / grid.width, of: grid.height, start: region.y, length: region.height))
    }
    let shown = cells.indices.filter { cell in
      let point = centre(of: cell)
      return (0..<image.width).contains(point.x) && (0..<image.height).contains(point.y)
    }
    guard let best = shown.max(by: { cells[$0] < cells[$1] || (cells[$0] == cells[$1] && $0 > $1) }) else { return nil }
    self = centre(of: best)
  }
}
