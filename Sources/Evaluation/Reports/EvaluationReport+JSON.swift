import LeGrad

extension EvaluationReport {
  /// One object for one method, else an array of them; indented, keys sorted.
  public var json: String {
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

  private struct Key: CodingKey {
    let stringValue: String
    var intValue: Int? { nil }

    init(_ name: String) { stringValue = name }
    init?(stringValue: String) { self.init(stringValue) }
    init?(intValue: Int) { nil }
  }

  func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: Key.self)
    let configuration = report.identity.configuration
    try container.encode(line.configuration.method.name, forKey: Key("method"))
    try container.encode(line.configuration.label, forKey: Key("label"))
    let method = line.configuration.method
    try container.encodeIfPresent(method.setting(LayerSelection.self)?.description, forKey: Key("layers"))
    try container.encodeIfPresent(method.setting(Readout.self)?.rawValue, forKey: Key("readout"))
    try encode(line.all, into: &container)
    if let correct = line.correct {
      var nested = container.nestedContainer(keyedBy: Key.self, forKey: Key("correct"))
      try encode(correct, into: &nested)
      try nested.encode(correct.images, forKey: Key("images"))
    }
    for (name, key) in [
      ("protocol", "protocol"), ("model", "model"), ("precision", "precision"), ("size", "size"),
      ("explain", "explained"), ("threshold", "segmentationThreshold"), ("templates", "templates"),
      ("filter", "filter"), ("correction", "correction"),
    ] {
      if let value = configuration[key] { try container.encode(value, forKey: Key(name)) }
    }
    if let threshold = configuration["pointThreshold"].flatMap(Double.init) {
      try container.encode(threshold, forKey: Key(report.evaluation == .points ? "threshold" : "pointThreshold"))
    }
    try container.encode(report.identity.modelHash, forKey: Key("modelHash"))
    try container.encode(report.identity.manifestHash, forKey: Key("manifestHash"))
    try container.encode(report.identity.version, forKey: Key("version"))
    try container.encode(report.identity.id, forKey: Key("run"))
    try container.encode(report.devices, forKey: Key("devices"))
    try container.encode(report.images, forKey: Key("images"))
    try container.encode(report.failures.count, forKey: Key("failed"))
    try container.encode(Array(report.failures.prefix(Self.failureLimit)), forKey: Key("failures"))
  }

  private func encode(_ figures: EvaluationFigures?, into container: inout KeyedEncodingContainer<Key>) throws {
    for (name, value) in figures?.named ?? [] { try container.encode(value, forKey: Key(name)) }
  }
}
