import ArgumentParser

/// A comma-separated list of output formats.
struct FormatList: ExpressibleByArgument, Equatable, Sendable {
  static let allValueStrings = OutputPlan.Format.allCases.map(\.rawValue) + ["a list of them with commas"]

  let formats: Set<OutputPlan.Format>

  init(_ formats: Set<OutputPlan.Format>) { self.formats = formats }

  init?(argument: String) {
    let parts = argument.split(separator: ",", omittingEmptySubsequences: false)
    let formats = parts.compactMap { OutputPlan.Format(rawValue: $0.trimmingSpaces()) }
    guard !formats.isEmpty, formats.count == parts.count else { return nil }
    self.formats = Set(formats)
  }

  var defaultValueDescription: String {
    OutputPlan.Format.allCases.filter(formats.contains).map(\.rawValue).joined(separator: ",")
  }
}
