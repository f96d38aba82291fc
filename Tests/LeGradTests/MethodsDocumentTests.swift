import FoundationEssentials
import TestSupport
import Testing

/// Comments give the source of a formula as "methods" and a section of `LeGrad.docc/Methods.md`: every such section is
/// there.
@Suite struct MethodsDocumentTests {
  private static let document = "Sources/LeGrad/LeGrad.docc/Methods.md"

  /// The path of a file or folder in the repository.
  private static func path(_ relative: String) -> String { Fixtures.path("../../\(relative)") }

  private static func text(_ path: String) throws -> String {
    try String(contentsOf: URL(filePath: path), encoding: .utf8)
  }

  /// Files that people write comments in, of a folder and of those below it; what is built and hidden is left out.
  private static func sourceFiles(in folder: String) throws -> [String] {
    let kinds = [".swift", ".cl", ".c", ".h", ".cpp", ".py", ".sh", ".md"]
    return try FileManager.default.contentsOfDirectory(atPath: path(folder)).sorted().flatMap { name -> [String] in
      let entry = "\(folder)/\(name)"
      if name.hasPrefix(".") || entry == document { return [] }
      if kinds.contains(where: name.hasSuffix) { return [entry] }
      // What is neither such a file nor a folder has no entries.
      return (try? sourceFiles(in: entry)) ?? []
    }
  }

  @Test func citedSectionsExist() throws {
    let sections = try MethodsSections(Self.text(Self.path(Self.document)))
    var count = 0
    for file in try ["Sources", "Kernels", "Tests", "Benchmarks"].flatMap(Self.sourceFiles) {
      let text = try Self.text(Self.path(file))
      let citations = MethodsSections.citations(in: text)
      count += citations.count
      for citation in citations where !sections.names.contains(citation.section) {
        Issue.record("\(file):\(citation.line): section \(citation.section) is not in \(Self.document)")
      }
      // The first one says of what it is a section.
      if let first = citations.first {
        #expect(first.namesDocument, "\(file):\(first.line): write \"methods\" before the section sign")
      }
    }
    #expect(count >= 50, "the code cites the document in many places")
  }

  @Test func documentCitesItself() throws {
    let text = try Self.text(Self.path(Self.document))
    let sections = MethodsSections(text)
    #expect(sections.names.count >= 40)
    #expect(Set(sections.names).count == sections.names.count, "every section's number once")
    for citation in MethodsSections.citations(in: text) {
      #expect(sections.names.contains(citation.section), "line \(citation.line)")
    }
  }

  @Test func missingSectionIsFound() {
    let sections = MethodsSections("# Methods\n\n## 2. Two\n\n### 2.3a Third\n#### Unnumbered 4\ntext ## 5\n")
    #expect(sections.names == ["2", "2.3a"])
    let text = """
      /// A formula (methods \u{A7}2.3a, \u{A7}99.9).
      /// \u{A7}2. And a sign, \u{A7}, alone; \u{A7}2.3, and (\u{A7}2.3ab).
      """
    let citations = MethodsSections.citations(in: text)
    #expect(citations.map(\.section) == ["2.3a", "99.9", "2", "2.3", "2.3ab"])
    #expect(citations.map(\.line) == [1, 1, 2, 2, 2])
    #expect(citations.map(\.namesDocument) == [true, false, false, false, false])
    #expect(
      citations.map(\.section).filter { !sections.names.contains($0) } == ["99.9", "2.3", "2.3ab"])
  }
}

/// The numbered sections of a document in Markdown, and how texts refer to them.
private struct MethodsSections {
  struct Citation {
    let section: String
    /// From 1.
    let line: Int
    /// Whether "methods" stands before the section sign.
    let namesDocument: Bool
  }

  /// Such as `2` and `2.3a`, in the document's order.
  let names: [String]

  init(_ document: String) {
    names = document.split(separator: "\n").compactMap { line in
      let marks = line.prefix { $0 == "#" }.count
      guard marks > 1, line.dropFirst(marks).first == " " else { return nil }
      return Self.section(at: line.dropFirst(marks + 1))
    }
  }

  static func citations(in text: String) -> [Citation] {
    text.split(separator: "\n", omittingEmptySubsequences: false).enumerated().flatMap { number, line in
      line.indices.filter { line[$0] == "\u{A7}" }.compactMap { sign in
        section(at: line[line.index(after: sign)...]).map {
          Citation(section: $0, line: number + 1, namesDocument: line[..<sign].hasSuffix("methods "))
        }
      }
    }
  }

  /// The number of a section that a text begins with: digits, dots between digits, letters at the end.
  private static func section(at text: Substring) -> String? {
    func isDigit(_ character: Character) -> Bool { ("0"..."9").contains(character) }
    var rest = text
    var section = ""
    while let first = rest.first, isDigit(first) {
      let digits = rest.prefix(while: isDigit)
      section += digits
      rest = rest.dropFirst(digits.count)
      guard rest.first == ".", let next = rest.dropFirst().first, isDigit(next) else { break }
      section += "."
      rest = rest.dropFirst()
    }
    return section.isEmpty ? nil : section + rest.prefix { ("a"..."z").contains($0) }
  }
}
