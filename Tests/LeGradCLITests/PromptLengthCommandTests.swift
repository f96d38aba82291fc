import Foundation
import TestSupport
import Testing

@Suite struct PromptLengthCommandTests {
  @Test func aPromptThatIsCutIsNoted() throws {
    let scratch = try ScratchFolder()
    let long = String(repeating: "a red circle and ", count: 30)
    let result = try CommandRunner.run(
      ["explain", GoldenCommand.image, "-m", GoldenCommand.model, "--format", "json", "-o", "out", "-p", "a cat"]
        + ["-p", long + "a blue square", "-p", long + "a green cross"], in: scratch)
    #expect(result.exitCode == 0)
    let notes = result.errors.split(separator: "\n").filter { $0.contains("of its text are left out") }
    #expect(notes.count == 1, "\(result.errors)")
    #expect(notes.first?.contains("one more prompt is cut as well") == true)
    let data = try Data(contentsOf: URL(filePath: scratch.path + "/out/image_32x32.json"))
    let report = try #require(JSONSerialization.jsonObject(with: data) as? [String: Any])
    let prompts = try #require(report["prompts"] as? [[String: Any]])
    #expect(prompts.map { $0["tokensCut"] as? Int == 0 } == [true, false, false])
    #expect(prompts.allSatisfy { ($0["tokens"] as? Int ?? 0) > 2 })
  }
}
