import Failures
import Testing

struct MessageTests {
  private static let lower: Message = "no room; raise \(Subject.memoryLimit)"

  private struct Lower: LegibleError {
    let kind = FailureKind.memory
    let message = MessageTests.lower
  }

  @Test func whoPrintsItNamesItsSubjects() {
    let message: Message = "\(Subject.layers) 3: \(Self.lower) or use \(Subject.device) cpu"
    #expect(message.subjects == [.layers, .memoryLimit, .device])
    #expect(message.description == "layers 3: no room; raise memoryLimit or use device cpu")
    #expect(message.text { "<\($0.rawValue)>" } == "<layers> 3: no room; raise <memoryLimit> or use <device> cpu")
  }

  @Test func anInterpolatedErrorKeepsItsSubjects() {
    let message: Message = "picture: \(Lower())"
    #expect(message.subjects == [.memoryLimit])
    #expect(message.text { $0.rawValue.uppercased() } == "picture: no room; raise MEMORYLIMIT")
    #expect(Lower().description == "no room; raise memoryLimit")
  }

  @Test func equalLinesAreEqualHoweverTheyWereMade() {
    let word = "relevance"
    #expect(("wrong \(word)" as Message) == "wrong relevance" && "wrong " + Message(word) == "wrong relevance")
    #expect(("\(Subject.size)" as Message) != "size" && ("" as Message) == "\("")")
  }

  @Test func anyOtherErrorIsText() {
    struct Other: Error, CustomStringConvertible {
      let description = "odd"
    }
    let other: any Error = Other()
    let lower: any Error = Lower()
    #expect(("\(other), \(Other())" as Message) == "odd, odd")
    #expect(("\(lower)" as Message).subjects == [.memoryLimit])
  }

  @Test func joinsAndAddsMessages() {
    let line = .joined([Self.lower, "a", "b"], separator: "; ") + " end"
    #expect(line.subjects == [.memoryLimit])
    #expect(line.description == "no room; raise memoryLimit; a; b end")
    #expect(Message.joined([], separator: "; ").description == "")
  }

  @Test func escapingReachesTextButNoSubject() {
    let line = Message.fault(file: "f", expected: "1", found: "\(Subject.size) \u{1B}", remedy: "\n\(Subject.size)")
    #expect(line.text { _ in "--size" } == "f: expected 1, found --size \\u{1b}; \\u{a}--size")
  }

  @Test func aFaultOfALowerRoomIsTheSameLine() {
    struct Upper: FaultRule {
      var kind: FailureKind { .usage }
    }
    struct Inner: FaultRule {}
    let inner = Fault(Inner(), file: "f", place: "p", expected: "1", found: "2", remedy: "mend \(Subject.mean)")
    let upper = Fault(Upper(), inner)
    #expect(inner.kind == .input && upper.kind == .usage)
    #expect(upper.message == inner.message && upper.message.subjects == [.mean])
  }
}
