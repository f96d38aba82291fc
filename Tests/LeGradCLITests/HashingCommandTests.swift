import Foundation
import TestSupport
import Testing

/// Pictures of a data set are hashed by the first run, and read for their rows alone by those after it.
@Suite struct HashingCommandTests {
  @Test func aSecondRunHashesNothing() throws {
    let scratch = try ScratchFolder()
    let folder = Fixtures.path("evaluation/mask-folder")
    // How often bytes come from each picture.
    let reads = try ["first", "second", "third"].map { output in
      var environment = try FaultySystem.environment(trace: scratch.path(output + ".trace"))
      environment["LEGRAD_CACHE"] = output == "third" ? "" : scratch.path("cache")
      let shard = output == "second" ? ["--shard", "0/1"] : []
      expectExit(
        0,
        try CommandRunner.run(
          ["evaluate", "segmentation", "--dataset", folder, "-m", GoldenCommand.model, "--device", "cpu"]
            + ["-o", output] + shard, in: scratch, environment: environment))
      let calls = try FaultySystem.calls(scratch.path(output + ".trace")).filter {
        $0.kind == "read" && $0.name == "read" && $0.result > 0 && $0.path.hasPrefix(folder + "/")
      }
      return Dictionary(grouping: calls.filter { $0.fileName != "classes.json" }, by: \.path).mapValues(\.count)
    }
    #expect(reads[0].count == 6 && reads[0].values.allSatisfy { $0 == 2 }, "\(reads[0])")
    #expect(reads[1].count == 6 && reads[1].values.allSatisfy { $0 == 1 }, "\(reads[1])")
    #expect(reads[2] == reads[0], "\(reads[2])")
    let manifests = try ["first", "second", "third"].map { try scratch.bytes($0 + "/manifest.jsonl") }
    #expect(manifests[0] == manifests[1] && manifests[0] == manifests[2])
  }
}
