import Failures
import Testing

/// The line of a fault of no room.
private func faultLine(
  file: String, place: String? = nil, expected: String, found: String, remedy: String
) -> String {
  Fault(AnyRule(), file: file, place: place, expected: expected, found: found, remedy: Message(remedy)).description
}

private struct AnyRule: FaultRule {}

struct FaultTests {
  @Test func saysFilePlaceExpectedFoundAndRemedy() {
    #expect(
      faultLine(file: "a b", place: "byte 7", expected: "1", found: "2", remedy: "fetch it again")
        == "a b: byte 7: expected 1, found 2; fetch it again")
    #expect(
      faultLine(file: "x", expected: "1", found: "2", remedy: "mend it") == "x: expected 1, found 2; mend it")
  }

  @Test(arguments: ["\n", "\r", "\u{1B}", "\u{7}", "\u{85}", "\u{2028}", "\u{2029}", "\u{202E}", "\u{E000}"])
  func noPartBreaksTheLine(scalar: String) {
    let line = faultLine(file: scalar, place: scalar, expected: scalar, found: scalar, remedy: scalar)
    let escape = "\\u{" + String(scalar.unicodeScalars.first?.value ?? 0, radix: 16) + "}"
    #expect(line == "\(escape): \(escape): expected \(escape), found \(escape); \(escape)")
  }

  @Test func longTextIsCut() {
    #expect(printable("äöü€", limit: 4) == "äöü€")
    #expect(printable("äöü€x", limit: 4) == "äöü€…")
    #expect(printable("\n\n", limit: 1) == "\\u{a}…")
    #expect(printable("", limit: 0) == "")
    let long = String(repeating: "x", count: 100_000)
    #expect(faultLine(file: long, place: long, expected: long, found: long, remedy: long).count < 7_000)
  }
}
