import Files
import TestSupport
import Testing

@testable import Evaluation

@Suite struct InFlightNoteTests {
  typealias Content = InFlightNote.Content

  @Test func isToBlameAfterTwoDeathsOrOneForLackOfMemory() {
    let once = Content(image: 7, deaths: 1, boot: "a", kills: 3)
    #expect(!once.isToBlame(boot: "a", kills: 3))
    #expect(once.isToBlame(boot: "a", kills: 4))
    // Another start, or another machine, counts anew.
    #expect(!once.isToBlame(boot: "b", kills: 4))
    #expect(Content(image: 7, deaths: 2, boot: "a", kills: 3).isToBlame(boot: "b", kills: 0))
    #expect(Content(once.text) == once)
    for text in ["", "1", "1 2 3", "1 2 a b", "x 1 a 0", "1 2 a 3 4"] { #expect(Content(text) == nil) }
  }

  @Test func whatIsLeftOfAProcessThatDiedIsRead() throws {
    let scratch = try ScratchFolder()
    let path = scratch.path + "/note"
    let first = InFlightNote(path: path)
    #expect(first.suspect == nil && !first.isToBlame)
    // Died while reading 12, after 11 was read.
    first.begin(11)
    first.end()
    first.begin(12)
    let second = InFlightNote(path: path)
    #expect(second.suspect == 12 && !second.isToBlame)
    second.begin(3)
    second.end()
    second.begin(12)
    let third = InFlightNote(path: path)
    #expect(third.suspect == 12 && third.isToBlame)
    // Another image is no suspect for it.
    third.begin(13)
    #expect(InFlightNote(path: path).suspect == 13 && !InFlightNote(path: path).isToBlame)
    third.end()
    #expect(InFlightNote(path: path).suspect == nil)
    third.close()
    #expect(!FileTree.exists(path))
  }
}
