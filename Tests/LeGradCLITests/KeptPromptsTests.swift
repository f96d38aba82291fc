import Foundation
import LeGrad
import TestSupport
import Testing

@testable import LeGradCLI

/// Embeddings of prompts that are kept for the next process.
@Suite struct KeptPromptsTests {
  let scratch: ScratchFolder

  init() throws { scratch = try ScratchFolder() }

  private func explainer(_ folder: String = GoldenCommand.model) throws -> Explainer {
    var options = Explainer.Options()
    options.device = .cpu
    return try Explainer(Model(folder: folder), options: options)
  }

  private var cache: String { scratch.path("cache") }
  private static let prompts = ["a photo of a cat", "two red circles", String(repeating: "very long ", count: 90)]

  @Test func theSameBitsAndLengthsComeBack() throws {
    let explainer = try explainer()
    let kept = try #require(KeptPrompts(Self.prompts, by: explainer, cacheFolder: cache))
    #expect(kept.content() == nil)
    let text = try explainer.encodeOrFind(Self.prompts, cacheFolder: cache)
    let found = try #require(kept.content())
    #expect(found.values == text.values && found.prompts == Self.prompts && found.width == text.width)
    for (one, other) in zip(try #require(found.lengths), try #require(text.lengths)) {
      #expect(one.tokens == other.tokens && one.cut == other.cut && one.cutsStart == other.cutsStart)
    }
    #expect(text.lengths?[2].cut ?? 0 > 0)
    // Other prompts, another order, another precision, another model: nothing of it.
    for other in [Array(Self.prompts.reversed()), Array(Self.prompts[..<2]), ["a photo of a cattwo red circles"]] {
      #expect(KeptPrompts(other, by: explainer, cacheFolder: cache)?.content() == nil)
    }
    let another = try self.explainer(Fixtures.path("clip-hf/model"))
    #expect(KeptPrompts(Self.prompts, by: another, cacheFolder: cache)?.content() == nil)
    #expect(KeptPrompts(Self.prompts, by: explainer, cacheFolder: nil) == nil)
  }

  @Test func aDamagedFileIsMadeAgain() throws {
    let explainer = try explainer()
    let text = try explainer.encodeOrFind(Self.prompts, cacheFolder: cache)
    let names = scratch.files(in: "cache").filter { $0.hasSuffix(".prompts") }
    #expect(names.count == 1)
    let path = "cache/\(names[0])"
    let whole = try scratch.bytes(path)
    for change in 0..<3 {
      var bytes = whole
      switch change {
      case 0: bytes[bytes.count / 2] ^= 1
      case 1: bytes.removeLast(7)
      default: bytes = []
      }
      try scratch.write(bytes, to: path)
      #expect(KeptPrompts(Self.prompts, by: explainer, cacheFolder: cache)?.content() == nil)
      #expect(try explainer.encodeOrFind(Self.prompts, cacheFolder: cache).values == text.values)
      #expect(try scratch.bytes(path) == whole)
    }
  }

  /// A file that may still change is not known again, and one that has changed is another.
  @Test func aModelThatWasJustWrittenIsNotKept() throws {
    try FileManager.default.copyItem(atPath: GoldenCommand.model, toPath: scratch.path("model"))
    try scratch.write("{}", to: "model/other.json")
    let explainer = try explainer(scratch.path("model"))
    #expect(explainer.model.fileStamps == nil)
    _ = try explainer.encodeOrFind(Self.prompts, cacheFolder: cache)
    #expect(scratch.files(in: "cache").isEmpty)
    #expect(try Model.demo().fileStamps == nil)
  }

  /// A run that finds them has the same results.
  @Test func theCommandFindsThem() throws {
    func explain(_ output: String) throws -> CommandResult {
      try CommandRunner.run(
        ["explain", GoldenCommand.image, "-p", "two red circles", "-m", GoldenCommand.model, "--device", "cpu"]
          + ["--format", "npy", "-o", output], in: scratch, environment: ["LEGRAD_CACHE": cache])
    }
    let (first, second) = (try explain("first"), try explain("second"))
    #expect(first.exitCode == 0 && second.exitCode == 0, "\(first.errors)\(second.errors)")
    #expect(scratch.files(in: "cache").filter { $0.hasSuffix(".prompts") }.count == 1)
    for name in scratch.files(in: "first") {
      #expect(try scratch.bytes("first/\(name)") == scratch.bytes("second/\(name)"))
    }
  }
}
