import FoundationEssentials
import TestSupport
import Testing

@testable import LeGrad

/// What a new method has to touch: its files under `Sources/LeGrad/Methods`, one of which holds its description and the
/// member of `Method` that makes it; a place in `Method.all`; its answer in `MethodTests`, from which README's table
/// is made.
@Suite struct MethodRoomTests {
  private struct Source {
    let path: String
    let text: String
    /// Quoted text and code without what comments say.
    let code: String

    var isOfMethods: Bool { path.hasPrefix("LeGrad/Methods/") }
  }

  private static func sources() throws -> [Source] {
    let root = Fixtures.path("../../Sources")
    let files = try FileManager.default.subpathsOfDirectory(atPath: root).filter { $0.hasSuffix(".swift") }
    return try files.map { file in
      let text = try String(decoding: Data(contentsOf: URL(filePath: root + "/" + file)), as: UTF8.self)
      let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
      let code = lines.filter { !$0.drop { $0 == " " }.hasPrefix("//") }.joined(separator: "\n")
      return Source(path: file, text: text, code: code)
    }
  }

  /// Members of `Method` that make one, such as `rollout`, in the file that declares them.
  private static func makers(_ source: Source) -> [String] {
    source.code.matches(of: /public static (?:func|let) (\w+)[^\n]*(?:-> Method \{|= Method\()/).map { String($0.1) }
  }

  @Test func aMethodIsSaidInOneFileAndRegisteredInOneLine() throws {
    let sources = try Self.sources()
    let registry = try #require(sources.first { $0.path == "LeGrad/Methods/Method.swift" })
    var registered: [String] = []
    for source in sources {
      for maker in Self.makers(source) {
        #expect(source.isOfMethods && source.path.split(separator: "/").count == 4, "\(source.path) makes a method")
        #expect(registry.code.matches(of: try Regex("\\.\(maker)\\b")).count == 1, "\(maker) is not registered once")
        registered.append(maker)
      }
    }
    #expect(registered.count == Method.all.count)
    for name in Method.all.map(\.name) {
      let places = sources.filter { $0.code.contains("let name = \"\(name)\"") }
      #expect(places.count == 1 && places.allSatisfy { Self.makers($0).count == 1 }, "\(name): \(places.map(\.path))")
    }
  }

  /// Outside the methods' own room, none is known by its name, and none is told from others.
  @Test func nobodyElseTellsMethodsApart() throws {
    let sources = try Self.sources()
    let makers = sources.flatMap(Self.makers)
    let names = Method.all.map(\.name)
    try #require(makers.count > 5 && names.count > 5)
    let apart = try Regex("(case|[=!]=|~=) (let )?(Method)?\\.(\(makers.joined(separator: "|")))\\b")
    for source in sources where !source.isOfMethods {
      // The program has the name of its first method.
      let code = source.code.replacing("commandName: \"legrad\"", with: "")
      for name in names { #expect(!code.contains("\"\(name)\""), "\(source.path) says \(name)") }
      #expect(code.firstMatch(of: apart) == nil, "\(source.path) tells methods apart")
      #expect(!code.contains("MethodDescription"), "\(source.path) looks into a method")
    }
  }
}
