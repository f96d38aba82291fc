extension FixedWidthInteger {
  /// The number as processes that answer and ask send it: its own size, the low byte first.
  package var messageBytes: [UInt8] {
    (0..<(Self.bitWidth / 8)).map { UInt8(truncatingIfNeeded: self >> (8 * $0)) }
  }

  /// - Parameter bytes: as many as `messageBytes` has.
  package init(messageBytes bytes: some BidirectionalCollection<UInt8>) {
    self = bytes.reversed().reduce(0) { $0 << 8 | Self(truncatingIfNeeded: $1) }
  }
}
