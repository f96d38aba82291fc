import Glibc

/// What was measured as something grew.
struct GrowthSeries: Sendable {
  struct Point: Sendable, Equatable {
    let n: Double
    let seconds: Double
    let bytes: Double
  }

  /// What grows, in the words of an axis.
  let subject: String
  let points: [Point]

  var secondsLaw: GrowthLaw? { GrowthLaw(points.map { ($0.n, $0.seconds) }) }
  var bytesLaw: GrowthLaw? { GrowthLaw(points.map { ($0.n, $0.bytes) }) }
}

/// Draws how cost and memory grow as an SVG: a column for each series, both axes by powers, the fitted law as a line.
struct GrowthPlot {
  let title: String
  let series: [GrowthSeries]

  private static let panel = (width: 250.0, height: 190.0)
  private static let margin = (left: 64.0, top: 64.0, right: 24.0, bottom: 58.0)
  private static let ink = "#222222"
  private static let pale = "#dddddd"
  private static let colours = (seconds: "#1f6fb2", bytes: "#b2541f")

  func svg() -> String {
    let (cell, height) = (
      (width: Self.panel.width + Self.margin.left, height: Self.panel.height + Self.margin.bottom),
      Self.margin.top + 2 * (Self.panel.height + Self.margin.bottom) + 8
    )
    let width = Double(max(series.count, 1)) * cell.width + Self.margin.right
    var parts = [
      "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 \(Self.text(width)) \(Self.text(height))\" "
        + "font-family=\"sans-serif\" font-size=\"11\" fill=\"\(Self.ink)\">",
      "<rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>",
      Self.label(title, x: Self.margin.left, y: 24, size: 15),
    ]
    for (column, series) in series.enumerated() {
      let x = Double(column) * cell.width + Self.margin.left
      let seconds = Panel(
        heading: "seconds", subject: series.subject, points: series.points.map { ($0.n, $0.seconds) },
        law: series.secondsLaw, colour: Self.colours.seconds, unit: Self.seconds)
      let bytes = Panel(
        heading: "memory at its peak", subject: series.subject, points: series.points.map { ($0.n, $0.bytes) },
        law: series.bytesLaw, colour: Self.colours.bytes, unit: Self.bytes)
      parts += seconds.lines(x: x, y: Self.margin.top)
      parts += bytes.lines(x: x, y: Self.margin.top + cell.height)
    }
    return (parts + ["</svg>"]).joined(separator: "\n") + "\n"
  }

  /// What is drawn, in words: a line for each law.
  var lines: [String] {
    series.flatMap { series in
      let (first, last) = (series.points.map(\.n).min() ?? 0, series.points.map(\.n).max() ?? 0)
      let laws: [(GrowthLaw?, (Double) -> String)] = [
        (series.secondsLaw, Self.seconds), (series.bytesLaw, Self.bytes),
      ]
      return laws.map { law, unit in
        let words = law.map { law in
          Self.words(law, subject: series.subject, from: first, to: last, unit: unit)
            + ", off by \((100 * law.error).decimal(places: 1)) %"
        }
        return "\(series.subject): \(words ?? "too few points for a law")"
      }
    }
  }

  /// A law in words, such as `12.0 ms + 640 ms · (prompts/64)^1.02`.
  static func words(
    _ law: GrowthLaw, subject: String, from first: Double, to last: Double, unit: (Double) -> String
  ) -> String {
    guard !law.isConstant(from: first, to: last) else { return "\(unit(law.value(at: last))), whatever the \(subject)" }
    let most = law.share * pow(last, law.exponent)
    let growing = "\(unit(most)) · (\(subject)/\(last.decimal(places: 0)))^\(law.exponent.decimal(places: 2))"
    // What is lost in the last digit of the rest is not said.
    return law.start > 0.001 * most ? "\(unit(law.start)) + \(growing)" : growing
  }

  static func seconds(_ value: Double) -> String { scaled(value, [(1, "s"), (1e-3, "ms"), (1e-6, "µs")]) }

  static func bytes(_ value: Double) -> String {
    scaled(value, [(0x1p30, "GiB"), (0x1p20, "MiB"), (0x1p10, "KiB"), (1, "B")])
  }

  private static func scaled(_ value: Double, _ units: [(size: Double, name: String)]) -> String {
    let unit = units.first { value >= $0.size } ?? units[units.count - 1]
    let number = value / unit.size
    return "\(number.decimal(places: number < 10 ? 2 : number < 100 ? 1 : 0)) \(unit.name)"
  }

  /// A coordinate.
  static func text(_ value: Double) -> String { value.decimal(places: 1) }

  static func label(
    _ words: String, x: Double, y: Double, size: Int = 11, anchor: String = "start", turned: Bool = false
  ) -> String {
    let turn = turned ? " transform=\"rotate(-90 \(text(x)) \(text(y)))\"" : ""
    return "<text x=\"\(text(x))\" y=\"\(text(y))\" font-size=\"\(size)\" text-anchor=\"\(anchor)\"\(turn)>"
      + "\(escaped(words))</text>"
  }

  static func escaped(_ words: String) -> String {
    words.printable.reduce(into: "") { text, character in
      switch character {
      case "&": text += "&amp;"
      case "<": text += "&lt;"
      case ">": text += "&gt;"
      case "\"": text += "&quot;"
      default: text.append(character)
      }
    }
  }

  /// Powers of ten and their doubles and halves that lie in a range, at most `limit`, the first and last of them kept.
  static func ticks(from low: Double, to high: Double, limit: Int = 6) -> [Double] {
    guard low > 0, high >= low, high.isFinite else { return [] }
    for steps in [[1.0, 2, 5], [1.0, 3], [1.0]] {
      var ticks: [Double] = []
      for power in Int(floor(log10(low)))...Int(ceil(log10(high))) {
        for step in steps {
          let tick = step * pow(10, Double(power))
          if tick >= low * (1 - 1e-9), tick <= high * (1 + 1e-9) { ticks.append(tick) }
        }
      }
      if ticks.count <= limit { return ticks.isEmpty ? [low] : ticks }
    }
    return [low, high]
  }

  /// One diagram.
  struct Panel {
    let heading: String
    let subject: String
    let points: [(n: Double, value: Double)]
    let law: GrowthLaw?
    let colour: String
    let unit: (Double) -> String

    /// The range of an axis, with room at both ends; a single value has some around it.
    static func range(_ values: [Double]) -> (low: Double, high: Double) {
      let known = values.filter { $0 > 0 && $0.isFinite }
      guard let low = known.min(), let high = known.max() else { return (1, 10) }
      // Less than a factor of two would show noise as if it were growth.
      let room = high / low < 2 ? 2.0 : 1.25
      return (low / room, high * room)
    }

    func lines(x left: Double, y top: Double) -> [String] {
      let (width, height) = (GrowthPlot.panel.width, GrowthPlot.panel.height)
      let (columns, rows) = (Self.range(points.map(\.n)), Self.range(points.map(\.value)))
      func across(_ n: Double) -> Double { left + log(n / columns.low) / log(columns.high / columns.low) * width }
      func down(_ value: Double) -> Double { top + height - log(value / rows.low) / log(rows.high / rows.low) * height }
      var lines: [String] = []
      func line(_ x1: Double, _ y1: Double, _ x2: Double, _ y2: Double, _ colour: String) {
        lines.append(
          "<line x1=\"\(text(x1))\" y1=\"\(text(y1))\" x2=\"\(text(x2))\" y2=\"\(text(y2))\" stroke=\"\(colour)\"/>")
      }
      for tick in ticks(from: columns.low, to: columns.high) {
        line(across(tick), top, across(tick), top + height, GrowthPlot.pale)
        lines.append(label(count(tick), x: across(tick), y: top + height + 15, anchor: "middle"))
      }
      for tick in ticks(from: rows.low, to: rows.high) {
        line(left, down(tick), left + width, down(tick), GrowthPlot.pale)
        lines.append(label(unit(tick), x: left - 6, y: down(tick) + 4, anchor: "end"))
      }
      line(left, top + height, left + width, top + height, GrowthPlot.ink)
      line(left, top, left, top + height, GrowthPlot.ink)
      lines.append(label(heading, x: left, y: top - 8, size: 12))
      lines.append(label(subject, x: left + width / 2, y: top + height + 30, anchor: "middle"))
      guard !points.isEmpty else { return lines }
      if let law, let last = points.map(\.n).max(), let first = points.map(\.n).min() {
        let path = (0...40).map { step in
          let n = first * pow(last / first, Double(step) / 40)
          let y = min(top + height, max(top, down(law.value(at: n))))
          return "\(step == 0 ? "M" : "L")\(text(across(n))) \(text(y))"
        }
        lines.append(
          "<path d=\"\(path.joined(separator: " "))\" fill=\"none\" stroke=\"\(colour)\" stroke-width=\"1.5\"/>")
        let words = GrowthPlot.words(law, subject: subject, from: first, to: last, unit: unit)
        lines.append(label(words, x: left + width / 2, y: top + height + 45, anchor: "middle"))
      }
      for point in points {
        lines.append(
          "<circle cx=\"\(text(across(point.n)))\" cy=\"\(text(down(point.value)))\" r=\"3\" fill=\"\(colour)\"/>")
      }
      return lines
    }

    private func text(_ value: Double) -> String { GrowthPlot.text(value) }
    private func ticks(from low: Double, to high: Double) -> [Double] { GrowthPlot.ticks(from: low, to: high) }
    private func label(_ words: String, x: Double, y: Double, size: Int = 11, anchor: String = "start") -> String {
      GrowthPlot.label(words, x: x, y: y, size: size, anchor: anchor)
    }

    /// A number of something, as people write it.
    private func count(_ value: Double) -> String {
      value >= 1e6
        ? "\((value / 1e6).decimal(places: 0))M" : value >= 1e4 ? "\((value / 1e3).decimal(places: 0))k" : plain(value)
    }

    private func plain(_ value: Double) -> String { value.decimal(places: value < 1 ? 2 : 0) }
  }
}
