/// One measured setting.
struct BenchmarkRow: Codable, Equatable, Sendable {
  let arch: String
  /// How images were explained, or an operation with its sizes.
  let method: String
  let device: String
  /// The instruction set or the kernels in use.
  let variant: String
  let precision: String
  /// Width×height in pixels.
  let size: String
  let images: Int
  let prompts: Int
  /// How many blocks were summed over.
  let layers: Int
  let repetitions: Int
  let medianSeconds: Double
  let minSeconds: Double
  let imagesPerSecond: Double
  let gflops: Double
  /// Of the float32 multiply-adds that this device reaches in registers; null if that was not measured.
  let shareOfPeak: Double?
  /// The process's largest resident memory, or what was allocated at most on an OpenCL device.
  let peakBytes: Int
  /// Per image.
  let uploadedBytes: Int
  /// Per image.
  let downloadedBytes: Int

  func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: CodingKeys.self)
    try container.encode(arch, forKey: .arch)
    try container.encode(method, forKey: .method)
    try container.encode(device, forKey: .device)
    try container.encode(variant, forKey: .variant)
    try container.encode(precision, forKey: .precision)
    try container.encode(size, forKey: .size)
    try container.encode(images, forKey: .images)
    try container.encode(prompts, forKey: .prompts)
    try container.encode(layers, forKey: .layers)
    try container.encode(repetitions, forKey: .repetitions)
    try container.encode(medianSeconds, forKey: .medianSeconds)
    try container.encode(minSeconds, forKey: .minSeconds)
    try container.encode(imagesPerSecond, forKey: .imagesPerSecond)
    try container.encode(gflops, forKey: .gflops)
    // The synthesised form would leave the key out.
    try container.encode(shareOfPeak, forKey: .shareOfPeak)
    try container.encode(peakBytes, forKey: .peakBytes)
    try container.encode(uploadedBytes, forKey: .uploadedBytes)
    try container.encode(downloadedBytes, forKey: .downloadedBytes)
  }

  static let columns = [
    "arch", "method", "device", "variant", "precision", "size", "images", "prompts", "layers", "repetitions",
    "medianSeconds", "minSeconds", "imagesPerSecond", "gflops", "shareOfPeak", "peakBytes", "uploadedBytes",
    "downloadedBytes",
  ]

  /// In the order of `columns`.
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
