import CLeGrad
import CLeGradHeader
import Foundation
import TestSupport
import Testing

/// The header, the list of what the library shows, and what both were when they were recorded.
@Suite struct HeaderTests {
  private func text(_ path: String) throws -> String {
    try String(contentsOf: URL(filePath: Fixtures.path("../../" + path)), encoding: .utf8)
  }

  @Test func versionsAgree() throws {
    #expect(legrad_abi_version() == UInt32(LEGRAD_ABI_VERSION))
    #expect(string(legrad_version()) == LEGRAD_VERSION)
    let command = try text("Sources/LeGradCLI/Version.swift")
    #expect(command.contains("static let number = \"\(LEGRAD_VERSION)\""))
  }

  @Test func libraryShowsTheHeadersFunctions() throws {
    let header = try text("Sources/CLeGradHeader/include/legrad.h").replacing(/\/\*(?s:.*?)\*\//, with: "")
    let declared = Set(header.matches(of: /\b(legrad_\w+)\s*\(/).map { String($0.1) })
    let listed = try text("Distribution/liblegrad.map").matches(of: /(?m)^    (\w+);$/).map { String($0.1) }
    #expect(declared == Set(listed))
    #expect(listed.count == 55)
    // What other rooms' C has is not for callers.
    #expect(!listed.contains("legrad_map_watch"))
  }

  @Test func layoutIsTheRecordedOne() throws {
    let scratch = try ScratchFolder()
    for language in CProgram.languages {
      let program = try CProgram("Tests/Fixtures/c-interface/layout.c", language, in: scratch, linked: false)
      let result = try program.run()
      #expect(result.code == 0)
      #expect(try result.output == text("Tests/Fixtures/c-interface/layout.txt"))
    }
  }
}

/// The text that C reads at a place.
func string(_ text: legrad_text) -> String {
  guard let bytes = text.bytes else { return "" }
  return String(
    decoding: UnsafeBufferPointer(start: bytes, count: text.length).map { UInt8(bitPattern: $0) }, as: UTF8.self)
}
