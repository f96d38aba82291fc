import Failures
import Files

/// What every row of a run depends on, other than the image and the device. Shards of equal identity belong together.
package struct RunIdentity: Codable, Equatable, Sendable {
  package let configuration: RunConfiguration
  /// SHA-256 of the model's files.
  package let modelHash: String
  /// `Manifest.hash`.
  package let manifestHash: String
  package let version: String

  /// The first 16 hexadecimal digits of SHA-256 of all fields.
  package var id: String { texts.id }

  /// Every field in which `other` differs, compared by bytes: `name: "ours", not "theirs"`.
  func differences(from other: RunIdentity) -> [String] {
    let (ours, theirs) = (texts.fields, other.texts.fields)
    let names = Set(ours.map(\.name)).union(theirs.map(\.name)).sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
    return names.compactMap { name in
      let (mine, its) = (ours.first { $0.name == name }?.text, theirs.first { $0.name == name }?.text)
      if let mine, let its, mine.utf8.elementsEqual(its.utf8) { return nil }
      return "\(printable(name, limit: 60)): \(Self.shown(mine)), not \(Self.shown(its))"
    }
  }

  private static func shown(_ value: String?) -> String {
    value.map { "\"" + printable($0, limit: 60) + "\"" } ?? "absent"
  }

  private var texts: Texts {
    Texts(configuration: configuration.texts, modelHash: modelHash, manifestHash: manifestHash, version: version)
  }

  /// An identity as text, for a program that need not know what it means.
  struct Texts: Codable {
    let configuration: [String: String]
    let modelHash, manifestHash, version: String

    var id: String { String(SHA256.hash(of: fields.flatMap { [$0.name, $0.text] }).prefix(16)) }

    /// Every field by the name that messages give it.
    var fields: [(name: String, text: String)] {
      let names = configuration.keys.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
      return names.map { ("configuration.\($0)", configuration[$0] ?? "") } + [
        ("modelHash", modelHash), ("manifestHash", manifestHash), ("version", version),
      ]
    }
  }
}
