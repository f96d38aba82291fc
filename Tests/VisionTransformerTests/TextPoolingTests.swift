import StrictJSON
import Testing
import Texts

@testable import VisionTransformer

@Suite struct TextPoolingTests {
  @Test func theFirstEndIsPooled() {
    typealias Pooling = TextConfiguration.Pooling
    #expect(Pooling.firstEOT(9).position(in: [1, 4, 9, 9, 0]) == 2)
    #expect(Pooling.firstOf([7, 9]).position(in: [1, 4, 9, 7, 0]) == 2)
    // As transformers' and OpenCLIP's comparison, whose maximum is then at the start.
    #expect(Pooling.firstEOT(8).position(in: [1, 4, 9]) == 0)
    #expect(Pooling.firstOf([7, 8]).position(in: [1, 4, 9]) == 0)
    // The old rule: an added token is larger than the end.
    #expect(Pooling.argmax.position(in: [1, 10, 9, 9]) == 1)
    #expect(Pooling.argmax.position(in: [1, 4, 9, 9]) == 2)
  }

  @Test func endsMayBeAList() throws {
    func ends(_ value: JSONValue?) throws -> [Int] {
      let members: TextTable<JSONValue> = value.map { ["eos_token_id": $0] } ?? [:]
      return try ModelConfiguration.ends(ConfigurationObject(file: "f", path: "", members: members), default: 49_407)
    }
    #expect(try ends(nil) == [49_407])
    #expect(try ends(.integer(2)) == [2])
    #expect(try ends(.array([.integer(2), .integer(7)])) == [2, 7])
    for bad in [JSONValue.array([]), .array([.string("2")]), .array([.integer(-1)]), .string("2")] {
      #expect(throws: CheckpointError.self) { try ends(bad) }
    }
  }
}
