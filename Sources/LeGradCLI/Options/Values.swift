public import ArgumentParser
import Failures
public import ImageFiles
public import LeGrad

extension ResizeMode: ExpressibleByArgument {}
extension Colormap: ExpressibleByArgument {}

extension InputSize: ExpressibleByArgument {
  public init?(argument: String) { self.init(argument) }
  public var defaultValueDescription: String { "native" }
  public static var allValueStrings: [String] { ["native", "N", "WIDTHxHEIGHT"] }
}

func requirePositive(_ value: Int?, _ option: String, atMost limit: Int = .max) throws {
  guard let value, !(1...limit).contains(value) else { return }
  let range = limit == .max ? "at least 1" : "from 1 to \(limit)"
  throw ValidationError("\(option) \(value): expected a number \(range)")
}

/// The name of a file, a folder or a model, as an option has it.
func requireName(_ name: String) throws -> String {
  guard !name.isEmpty else { throw ValidationError("expected a name, found an empty one") }
  return name
}

/// Refuses words that are not UTF-8, which only names of files may be.
func requireText(_ words: [String], _ option: String) throws {
  guard let word = words.first(where: UndecodedByte.isIn) else { return }
  throw ValidationError("\(option) \(word.printable): expected UTF-8 text, found other bytes")
}

func requireOutputName(_ folder: String?) throws {
  if folder?.isEmpty ?? false { throw ValidationError("--output: expected a folder, found an empty name") }
}

/// A comma-separated list of values.
struct ValueList<Value: ExpressibleByArgument & Equatable & Sendable>: ExpressibleByArgument, Equatable, Sendable {
  let values: [Value]

  /// Nil for one that is given twice too.
  init?(argument: String) {
    let parts = argument.split(separator: ",", omittingEmptySubsequences: false)
    values = parts.compactMap { Value(argument: $0.trimmingSpaces()) }
    guard values.count == parts.count, values.indices.allSatisfy({ !values[..<$0].contains(values[$0]) }) else {
      return nil
    }
  }

  static var allValueStrings: [String] { Value.allValueStrings + ["a list of them with commas"] }
}

extension StringProtocol {
  func trimmingSpaces() -> String {
    let start = firstIndex { !$0.isWhitespace } ?? endIndex
    let end = lastIndex { !$0.isWhitespace }.map { index(after: $0) } ?? start
    return String(self[start..<end])
  }
}

struct FormatList: ExpressibleByArgument, Equatable, Sendable {
  static let allValueStrings = OutputPlan.Format.allCases.map(\.rawValue) + ["a list of them with commas", none]

  /// For no file at all.
  private static let none = "none"

  let formats: Set<OutputPlan.Format>

  init(_ formats: Set<OutputPlan.Format>) { self.formats = formats }

  init?(argument: String) {
    if argument.trimmingSpaces() == Self.none {
      formats = []
      return
    }
    let parts = argument.split(separator: ",", omittingEmptySubsequences: false)
    let formats = parts.compactMap { OutputPlan.Format(rawValue: $0.trimmingSpaces()) }
    guard !formats.isEmpty, formats.count == parts.count else { return nil }
    self.formats = Set(formats)
  }

  var defaultValueDescription: String {
    formats.isEmpty
      ? Self.none : OutputPlan.Format.allCases.filter(formats.contains).map(\.rawValue).joined(separator: ",")
  }
}

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

/// How large overlays are.
struct OverlaySize: ExpressibleByArgument, Equatable, Sendable {
  static let allValueStrings = ["original", "N"]

  /// What the longer side has at most; nil for the image's own size.
  let side: Int?

  init(side: Int?) { self.side = side }

  init?(argument: String) {
    if argument == "original" {
      side = nil
      return
    }
    guard let side = Int(argument), (1...RGBImage.sideLimit).contains(side) else { return nil }
    self.side = side
  }

  var defaultValueDescription: String { side.map(String.init) ?? "original" }
}
