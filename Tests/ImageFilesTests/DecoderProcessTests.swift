import CSandboxProbe
import Failures
import Glibc
import Processes
import Testing

@testable import ImageFiles

/// What the kernel lets a confined process do.
@Suite struct SandboxTests {
  @Test(arguments: [LEGRAD_PROBE_COMPUTE, LEGRAD_PROBE_THREAD])
  func itMayCompute(_ wish: legrad_probe_wish) {
    #expect(legrad_probe(wish) == 0)
  }

  @Test(arguments: [
    LEGRAD_PROBE_OPEN, LEGRAD_PROBE_CONNECT, LEGRAD_PROBE_EXECUTE, LEGRAD_PROBE_FORK, LEGRAD_PROBE_EXECUTABLE_MEMORY,
    LEGRAD_PROBE_MADE_EXECUTABLE, LEGRAD_PROBE_SIGNAL_PARENT, LEGRAD_PROBE_UNLINK, LEGRAD_PROBE_OLD_THREAD_OPENS,
    LEGRAD_PROBE_NEW_THREAD_OPENS, LEGRAD_PROBE_SHARED_MEMORY_PROCESS, LEGRAD_PROBE_DUMPABLE,
  ])
  func anythingElseEndsIt(_ wish: legrad_probe_wish) {
    #expect(legrad_probe(wish) & 0x7F == SIGSYS)
  }
}

/// A process that should decode, and what is made of one that does not. What one does that decodes is seen in the
/// command's tests.
@Suite struct DecoderProcessTests {
  private static let greeting = "\\001\\000dargel"

  /// A shell script in a decoder's place; what it says goes where requests come from.
  private static func shell(_ script: String) -> AnsweringProcess.Start {
    .init(executable: "/bin/sh", arguments: ["-c", "exec >&0; " + script])
  }

  @Test(arguments: [
    ("exit 3", "it ended with 3"), ("kill -SEGV $$", "it ended by signal 11"),
    ("kill -SYS $$", "what decoding does not need"),
    ("echo something else", "it is another program"), ("printf legrad", "it ended with 0"),
  ])
  func oneThatDoesNotGreetIsNone(script: String, found: String) throws {
    let loss = try #require(throws: DecoderProcess.Loss.self) { try DecoderProcess(Self.shell(script)) }
    #expect(loss.found.contains(found), "\(loss.found)")
  }

  @Test func aProgramThatIsNotThereIsNone() throws {
    let start = AnsweringProcess.Start(executable: "/nonexistent/program", arguments: [])
    let loss = try #require(throws: DecoderProcess.Loss.self) { try DecoderProcess(start) }
    #expect(loss.found == "none that the system starts")
  }

  /// What the user is told where there can be none.
  @Test func aSandboxThatCannotBeHadIsRefused() throws {
    let error = try #require(throws: ImageError.self) { try DecoderSandbox.begin(Self.shell("exit 38")) }
    #expect(error.rule == .noSandbox && error.kind == .usage)
    #expect(error.description.contains("found it ended with 38"))
  }

  /// Every answer that no decoder gives, and ends in the middle of one. A picture of 3 bytes is asked for with 13.
  @Test(arguments: [
    ("", "it ended with 0"),
    ("kill -SEGV $$", "it ended by signal 11"),
    (#"printf '\007\000\000\000\000\000\000\000'"#, "status 7"),
    (#"printf '\000\000\000\000\377\377\377\377'"#, "bytes of words"),
    (#"printf '\000\000\000\000\000\000\000\000\000\000\000\000\001\000\000\000'"#, "a size of no pixels"),
    (#"printf '\000\000\000\000\000\000\000\000\001\000'"#, "it ended with 0"),
  ])
  func answersAreChecked(answer: String, found: String) throws {
    let script = "printf '\(Self.greeting)'; head -c 13 >/dev/null; \(answer)"
    let process = try DecoderProcess(Self.shell(script))
    let loss = try #require(throws: DecoderProcess.Loss.self) {
      try process.size(of: [1, 2, 3], CodecRequest(format: .png))
    }
    #expect(loss.found.contains(found), "\(loss.found)")
  }

  @Test func pixelsThatAreMissingAreNoPicture() throws {
    let size = #"printf '\000\000\000\000\000\000\000\000\002\000\000\000\001\000\000\000'"#
    let pixels = #"head -c 1 >/dev/null; printf '\000\000\000\000\000\000\000\000abcde'"#
    let process = try DecoderProcess(
      Self.shell("printf '\(Self.greeting)'; head -c 13 >/dev/null; \(size); \(pixels)"))
    let (answer, width, height) = try process.size(of: [1, 2, 3], CodecRequest(format: .png))
    #expect(answer.words.isEmpty && width == 2 && height == 1)
    let loss = try #require(throws: DecoderProcess.Loss.self) {
      try process.pixels(of: [1, 2, 3], CodecRequest(format: .png), width: width, height: height)
    }
    #expect(loss.found == "it ended with 0")
  }
}
