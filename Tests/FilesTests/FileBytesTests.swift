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
