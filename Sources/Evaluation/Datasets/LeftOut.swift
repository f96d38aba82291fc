package import Texts

/// What lies in a data set's folders and is not read: how many files, by what they are.
package struct LeftOut: Codable, Equatable, Sendable {
  /// Files by the end of their names, such as `.webp`, or by one of the words here.
  package private(set) var counts: [TextKey: Int] = [:]

  private static let folders = "folders"
  private static let outside = "outside the folders of classes"
  private static let withoutEnding = "without an ending"

  package init() {}

  private struct Key: CodingKey {
    let stringValue: String
    var intValue: Int? { nil }

    init(stringValue: String) { self.stringValue = stringValue }
    init?(intValue: Int) { nil }
  }

  package init(from decoder: any Decoder) throws {
    let members = try decoder.container(keyedBy: Key.self)
    for key in members.allKeys { counts[TextKey(key.stringValue)] = try members.decode(Int.self, forKey: key) }
  }

  package func encode(to encoder: any Encoder) throws {
    var members = encoder.container(keyedBy: Key.self)
    for (what, files) in counts { try members.encode(files, forKey: Key(stringValue: what.text)) }
  }

  package var isEmpty: Bool { counts.isEmpty }

  mutating func add(ending: String?) { add(ending.map { "." + $0 } ?? Self.withoutEnding) }
  mutating func addFolder() { add(Self.folders) }
  mutating func addOutsider() { add(Self.outside) }

  private mutating func add(_ what: String) { counts[TextKey(what), default: 0] += 1 }

  mutating func add(_ other: LeftOut) { counts.merge(other.counts, uniquingKeysWith: +) }

  /// Such as `left out of the pictures: 12 .webp, 3 .bmp; only .png, .jpg and .jpeg are read`.
  package var remark: String {
    let most = counts.sorted { ($1.value, $0.key) < ($0.value, $1.key) }
    let shown = most.prefix(12).map { "\($0.value) \($0.key.text)" }.joined(separator: ", ")
    let more = most.count > 12 ? " and others" : ""
    return "left out of the pictures: \(shown)\(more); only .png, .jpg and .jpeg are read"
  }
}
