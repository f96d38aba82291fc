import Failures
package import LeGrad
import Texts

/// Texts that a class's name is put into where they say `{}`.
package struct PromptTemplates: Equatable, Sendable {
  package let texts: [String]

  /// What most evaluations with one template take.
  package static let standard = PromptTemplates(checked: ["a photo of a {}"])
  /// A phrase that the bundled model was trained on.
  package static let bundledModel = PromptTemplates(checked: ["a {}"])

  private static let sizeLimit = 1 << 20

  /// At least one text, each with one `{}`.
  package init(_ texts: [String]) throws(LeGradError) {
    guard !texts.isEmpty else {
      throw fault("templates", kind: .usage, expected: "a text with {}", found: "none", remedy: "give one")
    }
    for text in texts { try Self.check(text, kind: .usage, file: "template") }
    self.texts = texts
  }

  /// A template a line; empty lines are left out.
  package init(file: String) throws(LeGradError) {
    let lines = try DatasetFile.lines(file, limit: Self.sizeLimit, remedy: "save it as UTF-8").filter {
      !$0.text.allSatisfy(\.isWhitespace)
    }
    for line in lines {
      try Self.check(String(line.text), kind: .input, file: file, place: "line \(line.number)")
    }
    guard !lines.isEmpty else {
      throw fault(file, expected: "a template a line", found: "an empty file", remedy: "write texts with {}")
    }
    texts = lines.map { String($0.text) }
  }

  private init(checked texts: [String]) { self.texts = texts }

  private static func check(_ text: String, kind: FailureKind, file: String, place: String? = nil) throws(LeGradError) {
    if let place = text.firstPlace(of: "{}"), text[place.upperBound...].firstPlace(of: "{}") == nil { return }
    throw fault(
      file, place, kind: kind, expected: "a text with one {} where the class's name goes", found: text,
      remedy: "write it like \"\(standard.texts[0])\"")
  }

  /// What is asked of a class.
  package func prompts(_ name: String) -> [String] {
    texts.map { text in
      guard let place = text.firstPlace(of: "{}") else { return text }
      return text[..<place.lowerBound] + name + text[place.upperBound...]
    }
  }
}
