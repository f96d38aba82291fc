/// What lies in a data set's folders and is not read: how many files, by what they are.
package struct LeftOut: Codable, Equatable, Sendable {
  /// Files by the end of their names, such as `.webp`, or by one of the words here.
  package private(set) var counts: [String: Int] = [:]

  private static let folders = "folders"
  private static let outside = "outside the folders of classes"
  private static let withoutEnding = "without an ending"

  package init() {}

  package init(from decoder: any Decoder) throws {
    counts = try decoder.singleValueContainer().decode([String: Int].self)
  }

  package func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    try container.encode(counts)
  }

  package var isEmpty: Bool { counts.isEmpty }

  mutating func add(ending: String?) { counts[ending.map { "." + $0 } ?? Self.withoutEnding, default: 0] += 1 }
  mutating func addFolder() { counts[Self.folders, default: 0] += 1 }
  mutating func addOutsider() { counts[Self.outside, default: 0] += 1 }

  mutating func add(_ other: LeftOut) { counts.merge(other.counts, uniquingKeysWith: +) }

  /// Such as `left out of the pictures: 12 .webp, 3 .bmp; only .png, .jpg and .jpeg are read`.
  package var remark: String {
    let most = counts.sorted { ($1.value, $0.key) < ($0.value, $1.key) }
    let shown = most.prefix(12).map { "\($0.value) \($0.key)" }.joined(separator: ", ")
    let more = most.count > 12 ? " and others" : ""
    return "left out of the pictures: \(shown)\(more); only .png, .jpg and .jpeg are read"
  }
}
