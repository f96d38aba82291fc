import Failures
import Files
import Glibc
import TestSupport
import Testing

struct FileBytesTests {
  @Test(arguments: [true, false]) func rangesAreRead(mapped: Bool) throws {
    let folder = try ScratchFolder()
    let count = (16 << 20) + 4_099
    let bytes = (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 7 ^ $0 >> 11) }
    let file = try FileBytes(path: folder.write(bytes, "x"), mapped: mapped)
    #expect(file.size == count)
    for range in [0..<0, 0..<1, 4_095..<4_097, 1_048_575..<1_048_577, 13..<3_000_017, 0..<count, count..<count] {
      #expect(try file.bytes(range) == Array(bytes[range]))
    }
    var sizes: [Int] = []
    try unsafe file.forEachChunk(of: 5..<count) { chunk in
      sizes.append(chunk.count)
      return sizes.count < 2
    }
    #expect(sizes.count == 2)
    #expect(sizes[0] % 8 == 0)
  }

  @Test(arguments: [true, false]) func emptyFilesAreFiles(mapped: Bool) throws {
    let folder = try ScratchFolder()
    let file = try FileBytes(path: folder.write([], "x"), mapped: mapped)
    #expect(file.size == 0)
    #expect(try file.bytes(0..<0) == [])
  }

  @Test func aFileThatIsCutMeanwhileIsAnError() throws {
    let folder = try ScratchFolder()
    let path = try folder.write([UInt8](repeating: 1, count: 10_000), "x")
    let file = try FileBytes(path: path, mapped: false)
    #expect(unsafe truncate(path, 5_000) == 0)
    let error = #expect(throws: FileError.self) { try file.bytes(0..<10_000) }
    #expect(error?.rule == .unreadable)
    #expect(error?.place == "reading")
    #expect(try file.bytes(0..<5_000).count == 5_000)
  }

  /// The system brings pages in and somebody cuts the file before they are read.
  @Test func aMappedFileThatIsCutUnderItsReaderIsAnError() throws {
    let folder = try ScratchFolder()
    let count = (40 << 20) + 11
    let path = try folder.write([UInt8](repeating: 1, count: count), "x")
    let file = try FileBytes(path: path, mapped: true)
    let start = unsafe try #require(unsafe file.bringIn(0..<count))
    var sums: [Int] = []
    let error = #expect(throws: FileError.self) {
      try unsafe file.forEachChunk(of: 0..<count) { chunk in
        if sums.count == 1 { unsafe truncate(path, (20 << 20) + 100) }
        unsafe sums.append(chunk.reduce(0) { $0 + Int($1) })
        return true
      }
    }
    #expect(error?.rule == .unreadable && error?.place == "reading")
    #expect(sums == [16 << 20, (4 << 20) + 100])
    #expect(unsafe file.wasLost && file.bringIn(0..<1) == nil)
    // What is there of the file, and zeros to the end of the map.
    let map = unsafe UnsafeRawBufferPointer(start: start, count: count)
    #expect(unsafe map[(20 << 20) + 99] == 1 && map[(20 << 20) + 100] == 0 && map[count - 1] == 0)
    // Others are not touched by that.
    let other = try FileBytes(path: try folder.write([UInt8](repeating: 2, count: 10_000), "y"), mapped: true)
    #expect(try other.bytes(9_990..<10_000) == [UInt8](repeating: 2, count: 10) && !other.wasLost)
  }

  @Test func bytesInPlaceThatGoUnderTheirReaderAreSaid() throws {
    let folder = try ScratchFolder()
    let path = try folder.write([UInt8](repeating: 1, count: 100_000), "x")
    let file = try FileBytes(path: path, mapped: true)
    let start = unsafe try #require(unsafe file.bringIn(0..<100_000))
    #expect(unsafe truncate(path, 0) == 0 && !file.wasLost)
    #expect(unsafe UnsafeRawBufferPointer(start: start, count: 100_000).allSatisfy { $0 == 0 })
    #expect(file.wasLost)
  }

  /// A SIGBUS that is no map's ends the process as ever.
  @Test func othersBusErrorsAreTheirs() async throws {
    await #expect(processExitsWith: .signal(SIGBUS)) {
      let folder = try ScratchFolder()
      let file = try FileBytes(path: folder.write([1], "x"), mapped: true)
      #expect(file.isMapped)
      raise(SIGBUS)
    }
  }

  /// Beyond the maps that are watched, files are read without one. In a process of its own: tests beside this one need maps.
  @Test func manyFilesAreRead() async throws {
    await #expect(processExitsWith: .success) {
      let folder = try ScratchFolder()
      let files = try (0..<100).map { try FileBytes(path: folder.write([UInt8($0), 7], "\($0)"), mapped: true) }
      for (number, file) in files.enumerated() { #expect(try file.bytes(0..<2) == [UInt8(number), 7]) }
      #expect(files.contains { $0.isMapped } && files.contains { !$0.isMapped })
    }
  }

  @Test func bytesAreReadInPlace() throws {
    let folder = try ScratchFolder()
    let bytes = (0..<20_011).map { UInt8(truncatingIfNeeded: $0 &* 5 ^ $0 >> 9) }
    let file = try FileBytes(path: folder.write(bytes, "x"), mapped: true)
    #expect(file.isMapped)
    for range in [0..<1, 4_095..<4_097, 13..<20_011, 0..<20_011] {
      for _ in 0..<2 {
        let start = unsafe try #require(unsafe file.bringIn(range))
        #expect(unsafe UnsafeRawBufferPointer(start: start, count: range.count).elementsEqual(bytes[range]))
        file.letGo(range)
      }
    }
    let unmapped = try FileBytes(path: folder.path + "/x", mapped: false)
    #expect(unsafe !unmapped.isMapped && unmapped.bringIn(0..<1) == nil)
  }

  /// A file that another takes the place of stays what it was; one that is written to does not.
  @Test func bytesInPlaceAreThoseThatWereOpened() throws {
    let folder = try ScratchFolder()
    let path = try folder.write([UInt8](repeating: 1, count: 10_000), "x")
    let file = try FileBytes(path: path, mapped: true)
    let other = try folder.write([UInt8](repeating: 2, count: 10_000), "y")
    #expect(unsafe rename(other, path) == 0)
    let start = unsafe try #require(unsafe file.bringIn(0..<10_000))
    #expect(unsafe UnsafeRawBufferPointer(start: start, count: 10_000).allSatisfy { $0 == 1 })

    let second = try FileBytes(path: path, mapped: true)
    var times = [timespec(tv_sec: 1, tv_nsec: 0), timespec(tv_sec: 1, tv_nsec: 1)]
    #expect(unsafe utimensat(AT_FDCWD, path, &times, 0) == 0)
    #expect(unsafe second.bringIn(0..<10_000) == nil)

    let third = try FileBytes(path: path, mapped: true)
    #expect(unsafe truncate(path, 5_000) == 0)
    #expect(unsafe third.bringIn(0..<10_000) == nil && third.bringIn(0..<1) == nil)
  }

  @Test(arguments: [true, false]) func whatIsNoFileIsRefused(mapped: Bool) throws {
    let folder = try ScratchFolder()
    let open = { (path: String) in
      #expect(throws: FileError.self) { try FileBytes(path: path, mapped: mapped) }?.rule
    }
    #expect(open(folder.path) == .notRegular)
    #expect(open("/dev/zero") == .notRegular)
    #expect(open(folder.path + "/absent") == .missing)
  }
}
