import Glibc
import Processes
import Testing

@Suite struct AnsweringProcessTests {
  private func start(_ script: String) throws -> AnsweringProcess {
    try #require(AnsweringProcess(.init(executable: "/bin/sh", arguments: ["-c", script])))
  }

  private func failure(_ body: () throws(AnsweringProcess.Failure) -> Void) -> AnsweringProcess.Failure? {
    do throws(AnsweringProcess.Failure) { try body() } catch { return error }
    return nil
  }

  @Test func answersOneAfterTheOther() throws {
    let process = try start("cat >&0")
    for text in ["first", "second"] {
      try process.ask(Array(text.utf8), within: .seconds(60))
      #expect(try process.receive(text.utf8.count) == Array(text.utf8))
    }
    #expect(!process.hasEnded)
  }

  /// More than a socket holds, in both directions.
  @Test func longAnswers() throws {
    let process = try start("exec 3>&0; head -c 5000000 | wc -c >&3; head -c 3000000 /dev/zero >&3")
    try process.ask([UInt8](repeating: 1, count: 5_000_000), within: .seconds(60))
    #expect(try process.receive(8) == Array("5000000\n".utf8))
    #expect(try process.receive(3_000_000) == [UInt8](repeating: 0, count: 3_000_000))
  }

  @Test func tellsHowItEnded() throws {
    for (script, ending): (String, ChildProcess.Ending) in [
      ("exit 7", .exited(status: 7)), ("kill -SEGV $$", .died(signal: 11)), ("printf ab >&0", .exited(status: 0)),
    ] {
      let process = try start("read line; " + script)
      let found = failure { () throws(AnsweringProcess.Failure) in
        try process.ask([UInt8(ascii: "\n")], within: .seconds(60))
        _ = try process.receive(3)
      }
      #expect(found == .ended(ending))
      #expect(process.hasEnded)
      // Whoever asks again is told the same.
      #expect(failure { () throws(AnsweringProcess.Failure) in try process.ask([1], within: .seconds(60)) } == found)
    }
  }

  @Test func hasNoMoreTimeThanItIsGiven() throws {
    let silent = try start("sleep 1000")
    #expect(
      failure { () throws(AnsweringProcess.Failure) in
        try silent.ask([1], within: .milliseconds(300))
        _ = try silent.receive(1)
      } == .ended(.timedOut))
    // Nor may it be slow in taking the question.
    let deaf = try start("sleep 1000")
    let question = [UInt8](repeating: 0, count: 10_000_000)
    #expect(
      failure { () throws(AnsweringProcess.Failure) in try deaf.ask(question, within: .milliseconds(300)) }
        == .ended(.timedOut))
  }

  @Test func isEndedWithItsOwner() throws {
    var process: AnsweringProcess? = try start("echo $$ >&0; sleep 1000 & wait")
    try process?.ask([], within: .seconds(60))
    var digits: [UInt8] = []
    while let byte = try process?.receive(1)[0], byte != UInt8(ascii: "\n") { digits.append(byte) }
    let number = try #require(Int32(String(decoding: digits, as: UTF8.self)))
    #expect(kill(number, 0) == 0)
    process = nil
    #expect(kill(number, 0) < 0)
  }
}
