import Files

/// What every row of a run depends on, other than the image and the device. Shards of equal identity belong together.
public struct RunIdentity: Codable, Equatable, Sendable {
  /// Everything asked for that can change a row, by name, written as text.
  public let configuration: [String: String]
  /// SHA-256 of the model's files.
  public let modelHash: String
  /// `Manifest.hash`.
  public let manifestHash: String
  /// Of the program.
  public let version: String

  public init(configuration: [String: String], modelHash: String, manifestHash: String, version: String) {
    self.configuration = configuration
    self.modelHash = modelHash
    self.manifestHash = manifestHash
    self.version = version
  }

  /// The first 16 hexadecimal digits of SHA-256 of all fields.
  public var id: String {
    String(SHA256.hash(of: fields.flatMap { [$0.name, $0.value] }).prefix(16))
  }

  /// Every field by the name that messages give it.
  private var fields: [(name: String, value: String)] {
    let names = configuration.keys.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
    return names.map { ("configuration.\($0)", configuration[$0] ?? "") } + [
      ("modelHash", modelHash), ("manifestHash", manifestHash), ("version", version),
    ]
  }

  /// Every field in which `other` differs, compared by bytes: `name: "ours", not "theirs"`.
  func differences(from other: RunIdentity) -> [String] {
    let ours = Dictionary(fields.map { ($0.name, $0.value) }) { first, _ in first }
    let theirs = Dictionary(other.fields.map { ($0.name, $0.value) }) { first, _ in first }
    let names = Set(ours.keys).union(theirs.keys).sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
    return names.compactMap { name in
      let (mine, its) = (ours[name], theirs[name])
      if let mine, let its, mine.utf8.elementsEqual(its.utf8) { return nil }
      return "\(printable(name, limit: 60)): \(Self.shown(mine)), not \(Self.shown(its))"
    }
  }

  private static func shown(_ value: String?) -> String {
    value.map { "\"" + printable($0, limit: 60) + "\"" } ?? "absent"
  }
}
