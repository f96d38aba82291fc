import Foundation
import TestSupport
import Testing

/// The page of the library names every type that its users meet.
@Suite struct PublicTypesTests {
  @Test func everyPublicTypeIsOnThePage() throws {
    let room = URL(filePath: Fixtures.path("../../Sources/LeGrad"))
    let page = try String(contentsOf: room.appending(path: "LeGrad.docc/LeGrad.md"), encoding: .utf8)
    let files = try #require(FileManager.default.enumerator(at: room, includingPropertiesForKeys: nil))
    var types: Set<String> = []
    for case let file as URL in files where file.pathExtension == "swift" {
      let source = try String(contentsOf: file, encoding: .utf8)
      for match in source.matches(of: /(?m)^public (?:final )?(?:struct|class|enum|protocol|actor) (\w+)/) {
        types.insert(String(match.1))
      }
    }
    #expect(types.count > 20)
    let missing = types.filter { !page.contains("- ``\($0)``") }
    #expect(missing.isEmpty)
  }
}
