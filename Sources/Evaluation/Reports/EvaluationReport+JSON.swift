import Compute
import ImageFiles
import LeGrad

extension EvaluationReport {
  /// One object for one method, else an array of them; indented, keys sorted.
  package var json: String {
    let objects = lines.map(object)
    let bytes =
      objects.count == 1
      ? CanonicalJSON.encode(objects[0], indented: true) : CanonicalJSON.encode(objects, indented: true)
    return String(decoding: bytes ?? [], as: UTF8.self) + "\n"
  }

  /// Failures that are named; `failed` counts all.
  private static var failureLimit: Int { 1000 }

  private func object(_ line: Line) -> JSONObject {
    let configuration = identity.configuration
    var object = JSONObject(members: [
      "method": line.method.name, "label": line.method.label,
      "layers": line.method.setting(LayerSelection.self)?.description,
      "readout": line.method.setting(Readout.self)?.rawValue, "correct": line.correct.map(Self.object),
      "protocol": type(of: configuration.benchmark).name, "model": configuration.model,
      "precision": configuration.precision.rawValue, "size": "\(configuration.size)",
      "filter": configuration.filter.rawValue, "templates": configuration.source.templates,
      "classOrder": configuration.source.order,
      "correction": configuration.correction?.description, "modelHash": identity.modelHash,
      "manifestHash": identity.manifestHash, "version": identity.version, "run": identity.id, "devices": devices,
      "failed": failures.count, "failures": Array(failures.prefix(Self.failureLimit)),
    ])
    if let figures = line.all { object.members.merge(Self.object(figures).members) { $1 } }
    object.members["images"] = images
    if !leftOut.isEmpty { object.members["leftOut"] = leftOut }
    for (name, value) in configuration.benchmark.reported { object.members[name] = value }
    return object
  }

  private static func object(_ figures: EvaluationFigures) -> JSONObject {
    var object = JSONObject(members: ["images": figures.images])
    for (name, value) in figures.named { object.members[name] = value }
    return object
  }
}

/// An object of JSON: those of its members that there are.
private struct JSONObject: Encodable {
  var members: [String: (any Encodable)?]

  func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: NameKey.self)
    for case (let name, let value?) in members { try container.encode(value, forKey: NameKey(name)) }
  }
}
