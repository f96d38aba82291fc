import Compute
import Files
import ImageFiles
import LeGrad

/// Everything asked for that can change a row.
///
/// Coded as one object of texts, the benchmark's settings beside the fields here: what is hashed, what a run's file
/// keeps, and what messages show of a field are the same text.
package struct RunConfiguration: Sendable {
  let benchmark: any Benchmark
  let methods: [Method]
  /// The model's name.
  var model: String
  let precision: Precision
  /// What the model sees.
  let size: PixelSize
  let filter: ResizeFilter
  let mean, std: [Double]
  /// The hash of what the classifier's rows depend on, and where they come from.
  let classes: String
  var source: ImageClassifier.Source
  var correction: Correction?

  /// Pixels. Written `width` × `height`, with an x.
  struct PixelSize: Sendable {
    let width, height: Int
  }

  /// SigLIP's.
  struct Correction: Sendable {
    let threshold: Float
    /// The hash of the text's embedding.
    let hash: String
  }
}

extension RunConfiguration: Codable {
  private enum Key: String, CodingKey {
    case classOrder, classes, correction, filter, mean, methods, model, precision, size, std, templates
    case benchmark = "protocol"
  }

  package init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: Key.self)
    func value<Value>(_ key: Key, _ read: (String) -> Value?) throws -> Value {
      let text = try container.decode(String.self, forKey: key)
      guard let value = read(text) else {
        throw DecodingError.dataCorruptedError(forKey: key, in: container, debugDescription: text)
      }
      return value
    }
    benchmark = try value(.benchmark, Benchmarks.named).init(from: decoder)
    methods = try value(.methods) { Self.list($0, separator: ", ", Method.init(label:)) }
    model = try container.decode(String.self, forKey: .model)
    precision = try value(.precision, Precision.init(rawValue:))
    size = try value(.size, PixelSize.init)
    filter = try value(.filter, ResizeFilter.init(rawValue:))
    mean = try value(.mean) { Self.list($0, separator: ",", Double.init) }
    std = try value(.std) { Self.list($0, separator: ",", Double.init) }
    classes = try container.decode(String.self, forKey: .classes)
    source =
      container.contains(.classOrder)
      ? .head(try value(.classOrder, ClassOrder.init(rawValue:)))
      : .templates(try container.decode(String.self, forKey: .templates))
    correction = container.contains(.correction) ? try value(.correction, Correction.init) : nil
  }

  package func encode(to encoder: any Encoder) throws {
    try benchmark.encode(to: encoder)
    let texts: [Key: String?] = [
      .benchmark: type(of: benchmark).name, .methods: methods.map(\.label).joined(separator: ", "), .model: model,
      .precision: precision.rawValue, .size: "\(size)", .filter: filter.rawValue,
      .mean: mean.map { "\($0)" }.joined(separator: ","), .std: std.map { "\($0)" }.joined(separator: ","),
      .classes: classes, .templates: source.templates, .classOrder: source.order?.rawValue,
      .correction: correction?.description,
    ]
    var container = encoder.container(keyedBy: Key.self)
    for (key, text) in texts { try container.encodeIfPresent(text, forKey: key) }
  }

  private static func list<Element>(_ text: String, separator: String, _ read: (String) -> Element?) -> [Element]? {
    let parts = text.split(separator: separator, omittingEmptySubsequences: false).map(String.init)
    let elements = parts.compactMap(read)
    return elements.count == parts.count ? elements : nil
  }

  /// Every field's text by its name.
  var texts: [String: String] {
    guard let bytes = CanonicalJSON.encode(self), let texts = CanonicalJSON.decode([String: String].self, bytes) else {
      preconditionFailure("every setting of \(type(of: benchmark)) is coded as text")
    }
    return texts
  }
}

extension RunConfiguration: Equatable {
  package static func == (first: Self, second: Self) -> Bool { first.texts == second.texts }
}

extension RunConfiguration.PixelSize: CustomStringConvertible {
  init?(_ text: String) {
    let sides = text.split(separator: "x", omittingEmptySubsequences: false).map { Int($0) }
    guard sides.count == 2, let width = sides[0], let height = sides[1] else { return nil }
    self.init(width: width, height: height)
  }

  var description: String { "\(width)x\(height)" }
}

extension RunConfiguration.Correction: CustomStringConvertible {
  init(_ correction: EmptyTextCorrection) {
    threshold = correction.threshold
    hash = SHA256.hash(of: correction.embedding.values.map { String($0.bitPattern) })
  }

  init?(_ text: String) {
    let parts = text.split(separator: " ", omittingEmptySubsequences: false)
    guard parts.count == 2, let threshold = Float(parts[0]) else { return nil }
    self.init(threshold: threshold, hash: String(parts[1]))
  }

  var description: String { "\(threshold) \(hash)" }
}
