import Foundation
import ImageFiles
import TestSupport
import Testing

/// The command on files as people have them: names in any bytes, cameras' orientations, kinds that are not read.
@Suite struct OwnFolderCommandTests {
  private static let model = Fixtures.path("clip/model")

  /// Runs a line of shell in which `$L` is the command.
  private static func shell(_ line: String, in scratch: ScratchFolder, environment: [String: String] = [:]) throws
    -> CommandResult
  {
    try RunningCommand(
      ["-c", "set -e; L='\(CommandRunner.binary)'; M='\(model)'; P='\(GoldenCommand.image)'; \(line)"], in: scratch,
      environment: environment, executable: "/bin/sh"
    ).wait()
  }

  @Test func namesThatAreNotUTF8AreExplained() throws {
    let scratch = try ScratchFolder()
    let line = #"""
      N=$(printf 'caf\351'); mkdir "in$N"; cp "$P" "in$N/$N.png"
      "$L" explain "in$N/$N.png" -p x -m "$M" --device cpu -o "out$N" --json
      for f in "out$N/$N.overlay.0.png" "out$N/$N.heatmap.0.png" "out$N/$N.json"; do test -s "$f"; done
      grep -c '"image" : "incaf\\\\xE9/caf\\\\xE9.png"' "out$N/$N.json" >&2
      """#
    let result = try Self.shell(line, in: scratch)
    expectExit(0, result)
    let report = try #require(result.json() as? [[String: Any]]).first
    #expect(report?["image"] as? String == #"incaf\xE9/caf\xE9.png"#)
    #expect(report?["outputFolder"] as? String == #"outcaf\xE9"#)
    let missing = try Self.shell(#""$L" explain "$(printf 'a\377.png')" -p x -m "$M""#, in: scratch)
    expectExit(1, missing, complaint: #"a\xFF.png: the image cannot be read: No such file"#)
    let prompt = try Self.shell(#""$L" explain "$P" -p "$(printf 'a\377')" -m "$M""#, in: scratch)
    expectExit(2, prompt, complaint: #"--prompt a\xFF: expected UTF-8 text"#)
  }

  @Test func namesThatLookAlikeAreTwo() throws {
    let scratch = try ScratchFolder()
    let line = #"""
      A=$(printf 'caf\303\251'); B=$(printf 'cafe\314\201'); cp "$P" "$A.png"; cp "$P" "$B.png"
      "$L" explain "$A.png" "$B.png" -p x -m "$M" --device cpu -o out --format json
      test -s "out/$A.json"; test -s "out/$B.json"
      """#
    expectExit(0, try Self.shell(line, in: scratch))
    let folders =
      #"mkdir b; cp "$P" a.jpg; cp "$P" b/a.png; "$L" explain a.jpg b/a.png -p x -m "$M" -o two --format json"#
    expectExit(0, try Self.shell(folders + #"; test -s two/b/a.json"#, in: scratch))
  }

  @Test func whatIsLeftOutIsSaidAndReported() throws {
    let scratch = try ScratchFolder()
    let line = #"""
      mkdir -p val/n01440764; cp "$P" val/n01440764/a.png; cp "$P" val/n01440764/b.webp; cp "$P" val/n01440764/c
      echo '{"0": ["n01440764", "tench"], "1": ["n01443537", "goldfish"]}' > index.json
      "$L" evaluate perturbation --images val --class-index index.json -m "$M" --device cpu --template 'a {}' -o out
      """#
    let result = try Self.shell(line, in: scratch)
    expectExit(0, result)
    #expect(result.errors.contains("note: left out of the pictures: 1 .webp, 1 without an ending; only .png"))
    let report = String(decoding: try scratch.bytes("out/report.md"), as: UTF8.self)
    #expect(report.contains("- left out of the pictures: 1 .webp, 1 without an ending; only .png"))
    #expect(try scratch.json("out/report.json")["leftOut"] as? [String: Int] == [".webp": 1, "without an ending": 1])
    // Shards on machines of their own have it too, and a merge of theirs the same bytes.
    let shards = #"""
      for i in 0 1; do "$L" evaluate perturbation --images val --class-index index.json -m "$M" --device cpu \
        --template 'a {}' --shard $i/2 -o part$i; done
      "$L" merge part0 part1; cmp part0/report.json out/report.json; cmp part0/report.md out/report.md
      """#
    expectExit(0, try Self.shell(shards, in: scratch))
  }

  @Test func aTaskThatDoesNotKnowOfHowManySaysSo() throws {
    let scratch = try ScratchFolder()
    let line = #""$L" evaluate shapes --scenes 1 -m "$M" --device cpu -o out; ls out/shards"#
    let result = try Self.shell(line, in: scratch, environment: ["PBS_ARRAY_INDEX": "3"])
    expectExit(0, result)
    #expect(result.errors.contains("note: PBS_ARRAY_INDEX=3 does not say of how many: this computes the whole run"))
    #expect(result.output.hasSuffix("0-of-1.jsonl\n"))
  }
}
