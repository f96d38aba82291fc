public import ArgumentParser
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

/// A comma-separated list of values.
struct ValueList<Value: ExpressibleByArgument & Equatable & Sendable>: ExpressibleByArgument, Equatable, Sendable {
  let values: [Value]

  init(_ values: [Value]) { self.values = values }

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
