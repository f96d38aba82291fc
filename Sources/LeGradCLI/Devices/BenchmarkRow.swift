/// A number that JSON has even where it is missing: the key of an optional would be left out.
@propertyWrapper
struct NullIfMissing: Encodable, Equatable, Sendable {
  let wrappedValue: Double?

  func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    try container.encode(wrappedValue)
  }
}

/// One measured setting.
struct BenchmarkRow: Encodable, Equatable, Sendable {
  let arch: String
  /// How images were explained, or an operation with its sizes.
  let method: String
  let device: String
  /// The instruction set or the kernels in use.
  let variant: String
  let precision: String
  /// Width×height in pixels.
  let size: String
  let images, prompts: Int
  /// How many blocks were summed over.
  let layers: Int
  let repetitions: Int
  let medianSeconds: Double
  let minSeconds: Double
  let imagesPerSecond: Double
  let gflops: Double
  /// The share of the float32 multiply-adds that this device reaches in registers; null if that was not measured.
  @NullIfMissing var shareOfPeak: Double?
  /// The process's largest resident memory, or what was allocated at most on an OpenCL device.
  let peakBytes: Int
  /// Per image.
  let uploadedBytes: Int
  /// Per image.
  let downloadedBytes: Int

  static let columns = [
    "arch", "method", "device", "variant", "precision", "size", "images", "prompts", "layers", "repetitions",
    "medianSeconds", "minSeconds", "imagesPerSecond", "gflops", "shareOfPeak", "peakBytes", "uploadedBytes",
    "downloadedBytes",
  ]

  private var cells: [String] {
    [
      arch, method, device, variant, precision, size, "\(images)", "\(prompts)", "\(layers)", "\(repetitions)",
      medianSeconds.decimal(places: 6), minSeconds.decimal(places: 6), imagesPerSecond.decimal(places: 3),
      gflops.decimal(places: 2), shareOfPeak?.decimal(places: 3) ?? "", "\(peakBytes)", "\(uploadedBytes)",
      "\(downloadedBytes)",
    ]
  }

  static func markdown(_ rows: [BenchmarkRow]) -> String {
    func line(_ cells: [String]) -> String {
      "| " + cells.map { $0.printable.split(separator: "|").joined(separator: "\\|") }.joined(separator: " | ") + " |"
    }
    let rule = "|" + String(repeating: "---|", count: columns.count)
    return ([line(columns), rule] + rows.map { line($0.cells) }).joined(separator: "\n")
  }

  static func csv(_ rows: [BenchmarkRow]) -> String {
    func field(_ text: String) -> String {
      guard text.contains(where: { ",\"\n\r".contains($0) }) else { return text }
      return "\"" + text.split(separator: "\"", omittingEmptySubsequences: false).joined(separator: "\"\"") + "\""
    }
    return ([columns] + rows.map(\.cells)).map { $0.map(field).joined(separator: ",") }.joined(separator: "\n")
  }
}
