import Processes
import Testing

@Suite struct MessageBytesTests {
  @Test func lowByteFirst() {
    #expect(UInt64(0x0102_0304_0506_0708).messageBytes == [8, 7, 6, 5, 4, 3, 2, 1])
    #expect(UInt32(0x8000_00FF).messageBytes == [0xFF, 0, 0, 0x80])
    #expect(UInt8(7).messageBytes == [7])
  }

  @Test(arguments: [0, 1, 0xFF, 0x8123_4567_89AB_CDEF, .max] as [UInt64]) func comesBack(number: UInt64) {
    #expect(UInt64(messageBytes: ([9] + number.messageBytes).dropFirst()) == number)
    let short = UInt32(truncatingIfNeeded: number)
    #expect(UInt32(messageBytes: short.messageBytes) == short)
  }
}
