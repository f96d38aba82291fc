import Failures
import Files
package import LeGrad

/// What a run found: a line per method, and how it was computed. Equal rows give equal bytes.
package struct EvaluationReport: Equatable, Sendable {
  package struct Line: Equatable, Sendable {
    package let method: Method
    /// The figures of all images that did not fail; nil if all did.
    package let all: EvaluationFigures?
    /// The figures of those whose class classification finds; nil where none is, or nothing is classified.
    package let correct: EvaluationFigures?
  }

  package struct Failure: Codable, Equatable, Sendable {
    package let id: String
    package let reason: String
  }

  package let identity: RunIdentity
  package let devices: [String]
  package let images: Int
  package let failures: [Failure]
  package let lines: [Line]
  /// What the data set's folders have that is not read.
  package let leftOut: LeftOut

  /// Reduces rows in the order given, the manifest's.
  package init(identity: RunIdentity, rows: [EvaluationRow], leftOut: LeftOut = LeftOut()) throws(LeGradError) {
    self.identity = identity
    self.leftOut = leftOut
    devices = Set(rows.map(\.device)).sorted()
    images = rows.count
    failures = rows.compactMap { row in row.failure.map { Failure(id: row.id, reason: $0) } }
    let methods = identity.configuration.methods
    let rows = rows.filter { $0.failure == nil }
    guard rows.allSatisfy({ $0.statistics.count == methods.count }) else {
      throw fault(
        "run \(identity.id)", kind: .inconsistent, expected: "statistics of all its methods",
        found: "rows without some, or with others", remedy: "merge with the program that computed them")
    }
    let correct = rows.filter { $0.isCorrect ?? false }
    lines = methods.enumerated().map { place, method in
      Line(
        method: method, all: EvaluationFigures(rows, method: place),
        correct: EvaluationFigures(correct, method: place, classified: false))
    }
  }

  package init(_ merge: Merge) throws(LeGradError) {
    try self.init(identity: merge.identity, rows: merge.rows, leftOut: merge.leftOut)
  }

  /// Writes `report.md`, `report.csv` and `report.json` into a folder; each appears whole or not at all.
  package func write(to folder: String) throws(LeGradError) {
    for (name, text) in [("report.md", markdown), ("report.csv", csv), ("report.json", json)] {
      do { try AtomicFile.write(Array(text.utf8), to: FileTree.join(folder, name)) } catch { throw LeGradError(error) }
    }
  }

  /// The figures that any line has, in their order.
  var columns: [Column] { Self.columns(lines.map(\.all)) }

  static func columns(_ figures: [EvaluationFigures?]) -> [Column] {
    EvaluationFigures.columns.filter { column in figures.contains { $0?[column] != nil } }
  }
}
