import Evaluation
import Failures
import LeGrad

/// What was measured at one value of an axis.
struct GrowthPoint: Encodable, Equatable, Sendable {
  let axis: String
  let value: Int
  /// The value in the variable of the axis' law.
  let variable: Double
  let seconds: Double
  let peakBytes: Int
}

/// What was measured along an axis.
struct GrowthCurve: Equatable, Sendable {
  let axis: GrowthAxis
  var points: [GrowthPoint] = []

  /// Seconds against the variable.
  var time: GrowthLaw? { GrowthLaw(degree: axis.degree, points.map { (x: $0.variable, y: $0.seconds) }) }
  /// Bytes against the variable: pairs of tokens are never stored.
  var memory: GrowthLaw? { GrowthLaw(degree: 1, points.map { (x: $0.variable, y: Double($0.peakBytes)) }) }

  /// The laws for people, such as `prompts: 0.080 s + 0.0031 s · prompts, within 2 %; 210 MiB + 1.2 MiB · prompts,
  /// within 1 %`.
  var line: String {
    guard let time, let memory, let last = points.last else {
      return "\(axis.rawValue): too few points for a law"
    }
    let seconds = Self.sum(time, axis.variable) { Self.seconds($0) }
    let bytes = Self.sum(memory, axis.variable) { Int($0.rounded()).asBytes }
    var share = ""
    if axis.degree > 1 {
      let percent = (100 * time.highestShare(at: last.variable)).decimal(places: 0)
      share = " (squares are \(percent) % at \(Int(last.variable).grouped))"
    }
    return "\(axis.rawValue): \(seconds)\(share); \(bytes)"
  }

  private static func sum(_ law: GrowthLaw, _ variable: String, _ text: (Double) -> String) -> String {
    let powers = ["", " · \(variable)", " · \(variable)²"]
    let terms = zip(law.factors, powers).filter { $0.0 > 0 }.map { text($0) + $1 }
    return terms.joined(separator: " + ") + ", within \((100 * law.largestDeviation).decimal(places: 1)) %"
  }

  /// Three digits and a unit.
  static func seconds(_ value: Double) -> String {
    let units = [("s", 1.0), ("ms", 1e3), ("µs", 1e6), ("ns", 1e9)]
    // What is rounded up to a unit has it.
    let (unit, scale) = units.first { value * $0.1 >= 0.9995 } ?? ("ps", 1e12)
    let scaled = value * scale
    return scaled.decimal(places: scaled >= 99.95 ? 0 : scaled >= 9.995 ? 1 : 2) + " \(unit)"
  }
}

/// Curves of one program, as a CSV file has them.
struct GrowthSeries: Equatable, Sendable {
  let name: String
  var curves: [GrowthCurve]

  static let columns = ["axis", "value", "variable", "seconds", "peakBytes"]

  var csv: String {
    let rows = curves.flatMap(\.points).map { point in
      [
        point.axis, "\(point.value)", point.variable.decimal(places: 0), point.seconds.decimal(places: 9),
        "\(point.peakBytes)",
      ]
    }
    return ([Self.columns] + rows).map { $0.joined(separator: ",") }.joined(separator: "\n")
  }

  init(name: String, curves: [GrowthCurve]) {
    self.name = name
    self.curves = curves
  }

  /// Reads what `csv` has written.
  init(name: String, file: String) throws(LeGradError) {
    var curves = GrowthAxis.allCases.map { GrowthCurve(axis: $0) }
    try CSVFile.forEachRow(of: file, columns: Self.columns) { row throws(LeGradError) in
      let axis = try row.text(0)
      guard let index = curves.firstIndex(where: { $0.axis.rawValue.utf8.elementsEqual(axis.utf8) }) else {
        let names = GrowthAxis.allCases.map(\.rawValue).joined(separator: ", ")
        throw row.error(0, expected: "one of \(names)", found: axis)
      }
      func number(_ column: Int) throws(LeGradError) -> Double {
        let text = try row.text(column)
        guard let value = Double(text), value > 0, value < 1e15 else {
          throw row.error(column, expected: "a positive number", found: text.isEmpty ? "nothing" : text)
        }
        return value
      }
      curves[index].points.append(
        GrowthPoint(
          axis: curves[index].axis.rawValue, value: Int(try number(1)), variable: try number(2),
          seconds: try number(3), peakBytes: Int(try number(4))))
    }
    self.init(name: name, curves: curves.filter { !$0.points.isEmpty })
  }
}
