import ArgumentParser

/// A number of bytes as people write it: `500000000`, `500M`, `1.5G`, `4GiB`.
struct ByteCount: ExpressibleByArgument, Equatable, Sendable {
  static let allValueStrings = ["BYTES", "and K, M, G (powers of 1000) or KiB, MiB, GiB (of 1024)"]

  private static let units: [(suffix: String, bytes: Double)] = [
    ("KiB", 0x1p10), ("MiB", 0x1p20), ("GiB", 0x1p30), ("K", 1e3), ("M", 1e6), ("G", 1e9),
  ]

  let bytes: Int

  /// Nil for anything but a number above zero with one of the suffixes, and for more than an exact number holds.
  init?(argument: String) {
    let unit = Self.units.first { argument.hasSuffix($0.suffix) }
    let number = argument.dropLast(unit?.suffix.count ?? 0)
    guard !number.isEmpty, number.allSatisfy({ $0.isASCII && $0.isNumber || $0 == "." && unit != nil }),
      let value = Double(number)
    else { return nil }
    let bytes = (value * (unit?.bytes ?? 1)).rounded(.down)
    guard bytes >= 1, bytes <= 0x1p53 else { return nil }
    self.bytes = Int(bytes)
  }
}
