import Compute
import ImageFiles
import LeGrad

extension EvaluationReport {
  /// One object for one method, else an array of them; indented, keys sorted.
  package var json: String {
    let objects = lines.map { LineObject($0, of: self) }
    let bytes =
      objects.count == 1
      ? CanonicalJSON.encode(objects[0], indented: true) : CanonicalJSON.encode(objects, indented: true)
    return String(decoding: bytes ?? [], as: UTF8.self) + "\n"
  }
}

/// What JSON says of one method.
private struct LineObject: Encodable {
  private let line: EvaluationReport.Line
  private let report: EvaluationReport

  /// Failures that are named; `failed` counts all.
  private static let failureLimit = 1000

  init(_ line: EvaluationReport.Line, of report: EvaluationReport) {
    self.line = line
    self.report = report
  }

  func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: NameKey.self)
    let configuration = report.identity.configuration
    try container.encode(line.configuration.method.name, forKey: NameKey("method"))
    try container.encode(line.configuration.label, forKey: NameKey("label"))
    let method = line.configuration.method
    try container.encodeIfPresent(method.setting(LayerSelection.self)?.description, forKey: NameKey("layers"))
    try container.encodeIfPresent(method.setting(Readout.self)?.rawValue, forKey: NameKey("readout"))
    try encode(line.all, into: &container)
    if let correct = line.correct {
      var nested = container.nestedContainer(keyedBy: NameKey.self, forKey: NameKey("correct"))
      try encode(correct, into: &nested)
      try nested.encode(correct.images, forKey: NameKey("images"))
    }
    try container.encode(type(of: configuration.benchmark).name, forKey: NameKey("protocol"))
    for (name, value) in configuration.benchmark.reported { try container.encode(value, forKey: NameKey(name)) }
    try container.encode(configuration.model, forKey: NameKey("model"))
    try container.encode(configuration.precision.rawValue, forKey: NameKey("precision"))
    try container.encode("\(configuration.size)", forKey: NameKey("size"))
    try container.encode(configuration.filter.rawValue, forKey: NameKey("filter"))
    try container.encode(configuration.templates, forKey: NameKey("templates"))
    try container.encodeIfPresent(configuration.correction?.description, forKey: NameKey("correction"))
    try container.encode(report.identity.modelHash, forKey: NameKey("modelHash"))
    try container.encode(report.identity.manifestHash, forKey: NameKey("manifestHash"))
    try container.encode(report.identity.version, forKey: NameKey("version"))
    try container.encode(report.identity.id, forKey: NameKey("run"))
    try container.encode(report.devices, forKey: NameKey("devices"))
    try container.encode(report.images, forKey: NameKey("images"))
    try container.encode(report.failures.count, forKey: NameKey("failed"))
    try container.encode(Array(report.failures.prefix(Self.failureLimit)), forKey: NameKey("failures"))
  }

  private func encode(_ figures: EvaluationFigures?, into container: inout KeyedEncodingContainer<NameKey>) throws {
    for (name, value) in figures?.named ?? [] { try container.encode(value, forKey: NameKey(name)) }
  }
}
