import Testing

@testable import Evaluation

@Suite("Manifest")
struct ManifestTests {
  @Test("entries are sorted by the bytes of their ids")
  func order() {
    let ids = ["b", "B", "é", "a10", "a2"]
    let manifest = Manifest(ids.map { .init(id: $0, byteCount: 1, hash: "") })
    #expect(manifest.entries.map(\.id) == ["B", "a10", "a2", "b", "é"])
  }
}
