import Files
import Glibc
import Processes
import Synchronization
import TestSupport
import Testing

@testable import Evaluation

@Suite struct InFlightNoteTests {
  typealias Content = InFlightNote.Content
  typealias Suspect = InFlightNote.Suspect

  @Test func isToBlameAfterTwoDeathsAloneOrOneForLackOfMemory() {
    let content = Content(boot: "a", kills: 3, suspects: [])
    func isToBlame(_ deaths: Int, _ company: Int, boot: String = "a", kills: Int = 3) -> Bool {
      content.isToBlame(Suspect(image: 7, deaths: deaths, company: company), boot: boot, kills: kills)
    }
    #expect(!isToBlame(1, 1) && isToBlame(2, 1) && isToBlame(1, 1, kills: 4))
    // Another start, or another machine, counts anew.
    #expect(!isToBlame(1, 1, boot: "b", kills: 4) && isToBlame(2, 1, boot: "b", kills: 0))
    // Which of several it was is not known.
    #expect(!isToBlame(1, 2, kills: 4) && !isToBlame(5, 3) && !isToBlame(5, 0, kills: 4))
  }

  @Test func aNoteIsReadBack() {
    for suspects in [[], [Suspect(image: 0, deaths: 1, company: 2), Suspect(image: 12_345, deaths: 2, company: 0)]] {
      let content = Content(boot: "a-b", kills: 3, suspects: suspects)
      #expect(Content(content.text) == content)
      #expect(Content(content.text + "   \n  ") == content)
    }
    for text in ["", "  ", "1", "1 2 3", "a 1\n1", "a 1\n1 2", "a 1\n1 2 x", "a 1\n1 2 3 4", "a 1\n-1 2 3", "x y\n"] {
      #expect(Content(text) == nil, "\(text)")
    }
  }

  @Test func whatIsLeftOfAProcessThatDiedIsRead() throws {
    let scratch = try ScratchFolder()
    let path = scratch.path + "/note"
    let first = InFlightNote(path: path)
    #expect(first.suspected.isEmpty)
    // Died while reading 12, after 11 was read.
    first.whileReading(11) {}
    first.begin(12)
    let second = InFlightNote(path: path)
    #expect(second.suspected == [12] && second.leftOut.isEmpty)
    // It stays one while others are read.
    second.begin(3)
    #expect(InFlightNote(path: path).suspected == [3, 12])
    second.end(3)
    second.begin(12)
    let third = InFlightNote(path: path)
    #expect(third.suspected == [12] && third.leftOut == [12] && third.leavesOut(12) && !third.leavesOut(3))
    // Another image is no suspect for it, and the one that is left out stays so.
    third.begin(13)
    #expect(InFlightNote(path: path).suspected == [12, 13] && InFlightNote(path: path).leftOut == [12])
    third.end(13)
    #expect(InFlightNote(path: path).suspected == [12])
    third.close()
    #expect(!FileTree.exists(path))
  }

  @Test func ofSeveralAtOnceOnlyTheGuiltyOneIsLeftOut() throws {
    let scratch = try ScratchFolder()
    let path = scratch.path + "/note"
    let first = InFlightNote(path: path)
    for image in [4, 5, 6, 7] { first.begin(image) }
    first.end(5)
    let second = InFlightNote(path: path)
    #expect(second.suspected == [4, 6, 7] && second.leftOut.isEmpty)
    second.begin(4)
    second.end(4)
    second.acquit(4)
    // Died at 6, of which it is known that it was read alone.
    second.begin(6)
    let third = InFlightNote(path: path)
    #expect(third.suspected == [6, 7] && third.leftOut == [6])
    third.whileReading(7) {}
    third.acquit(7)
    #expect(InFlightNote(path: path).suspected == [6] && InFlightNote(path: path).leftOut == [6])
  }

  /// The note grows with the threads and has no rest of what it said before.
  @Test func manyAtOnceAreNamed() throws {
    let scratch = try ScratchFolder()
    let path = scratch.path + "/note"
    let note = InFlightNote(path: path)
    for image in 1_000_000..<1_000_300 { note.begin(image) }
    #expect(InFlightNote(path: path).suspected == Array(1_000_000..<1_000_300))
    for image in 1_000_001..<1_000_300 { note.end(image) }
    #expect(InFlightNote(path: path).suspected == [1_000_000])
    // What cannot be understood is written over.
    let other = scratch.path + "/other"
    try AtomicFile.write(Array(String(repeating: "12 1 a 0\n", count: 400).utf8), to: other)
    let second = InFlightNote(path: other)
    #expect(second.suspected.isEmpty)
    second.begin(3)
    #expect(InFlightNote(path: other).suspected == [3])
  }

  @Test func aSuspectIsReadAlone() throws {
    let scratch = try ScratchFolder()
    let path = scratch.path + "/note"
    let before = InFlightNote(path: path)
    for image in [3, 10, 11] { before.begin(image) }
    let note = InFlightNote(path: path)
    let images = Atomic<Int>(0)
    let reading = Mutex(Set<Int>())
    let company = Mutex<[Int: Int]>([:])
    ThreadBudget(count: 6).share(6) { _ in
      while true {
        let image = images.wrappingAdd(1, ordering: .relaxed).oldValue
        guard image < 40 else { return }
        note.whileReading(image) {
          let most = reading.withLock {
            $0.insert(image)
            return $0.count
          }
          usleep(UInt32(image * 37 % 900))
          let count = reading.withLock { max(most, $0.count) }
          reading.withLock { _ = $0.remove(image) }
          company.withLock { $0[image] = count }
        }
        note.acquit(image)
      }
    }
    for suspect in [3, 10, 11] { #expect(company.withLock { $0[suspect] } == 1) }
    #expect(company.withLock { $0.count } == 40 && note.suspected.isEmpty)
  }
}
