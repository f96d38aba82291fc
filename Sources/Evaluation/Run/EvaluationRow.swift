/// What one image adds to an evaluation. A line of a shard's file.
package struct EvaluationRow: Codable, Equatable, Sendable {
  /// The image's place in the manifest.
  package let index: Int
  package let id: String
  /// What computed the row, driver included.
  package let device: String
  /// Why there are no statistics; nil if there are.
  package private(set) var failure: String?
  /// Whether classification finds the image's class; nil where nothing is classified.
  package private(set) var isCorrect: Bool?
  /// The id of the class that was explained; nil where an image has several, whose statistics name them.
  package private(set) var explained: String?
  /// By method, in the order of the run's configuration; empty after a failure.
  package private(set) var statistics: [ImageStatistics] = []
}

/// What one image adds by one method: the statistics of the measures that it takes part in.
package struct ImageStatistics: Sendable {
  private var parts: [String: any Codable & Equatable & Sendable] = [:]

  package init() {}

  package subscript<M: Measure>(measure: M.Type) -> M.Statistics? {
    get { parts[M.name] as? M.Statistics }
    set { parts[M.name] = newValue }
  }

  /// The measures' names, sorted.
  var names: [String] { parts.keys.sorted() }
}

extension ImageStatistics: Equatable {
  package static func == (first: Self, second: Self) -> Bool {
    first.names == second.names && first.parts.allSatisfy { $0.value.isEqual(to: second.parts[$0.key]) }
  }
}

extension Equatable {
  fileprivate func isEqual(to other: Any?) -> Bool { other as? Self == self }
}

extension ImageStatistics: Codable {
  package init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: NameKey.self)
    func part<M: Measure>(of measure: M.Type) throws -> M.Statistics? {
      let part = try container.decodeIfPresent(M.Statistics.self, forKey: NameKey(M.name))
      guard part.map(M.isPlausible) ?? true else {
        throw DecodingError.dataCorruptedError(
          forKey: NameKey(M.name), in: container, debugDescription: "the statistics contradict each other")
      }
      return part
    }
    for measure in Benchmarks.measures { parts[measure.name] = try part(of: measure) }
  }

  package func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: NameKey.self)
    for (name, part) in parts { try container.encode(part, forKey: NameKey(name)) }
  }
}

/// A key that is no constant of the program.
struct NameKey: CodingKey {
  let stringValue: String
  var intValue: Int? { nil }

  init(_ name: String) { stringValue = name }
  init?(stringValue: String) { self.init(stringValue) }
  init?(intValue: Int) { nil }
}

/// Labels that one image can hold: sums over any data set stay exact in float64 and far from overflow.
let labelRange = 0...1 << 32
