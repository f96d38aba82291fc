import Glibc

/// Time and memory against each axis, as a picture of lines: points as measured, lines as their laws have them.
///
/// Both scales are logarithmic, so that a law with one power is a straight line.
struct GrowthPlot {
  let title: String
  /// The first one's laws are written out.
  let series: [GrowthSeries]

  private static let panel = (width: 300.0, height: 210.0)
  private static let margin = (left: 62.0, top: 26.0, right: 14.0, bottom: 46.0)
  /// Colours that are told apart by people who see few, on light and dark ground (Okabe and Ito).
  private static let colours = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9"]

  var svg: String {
    let axes = GrowthAxis.allCases.filter { axis in series.contains { $0.curves.contains { $0.axis == axis } } }
    let cell = (
      width: Self.panel.width + Self.margin.left + Self.margin.right,
      height: Self.panel.height + Self.margin.top + Self.margin.bottom
    )
    let laws = series.first?.curves.map(\.line) ?? []
    let head = 60.0
    let (width, height) = (
      cell.width * Double(max(1, axes.count)), head + 2 * cell.height + 20 * Double(laws.count) + 20
    )
    var body = text(title, x: 14, y: 26, class: "title")
    for (index, one) in series.enumerated() {
      let x = 20 + 190 * Double(index)
      body += mark(index, x: x, y: 43) + text(one.name, x: x + 10, y: 47, class: "small")
    }
    for (column, axis) in axes.enumerated() {
      for (row, quantity) in Quantity.allCases.enumerated() {
        body += """
          <g transform="translate(\(number(Double(column) * cell.width + Self.margin.left)) \
          \(number(head + Double(row) * cell.height + Self.margin.top)))">

          """
        body += panel(axis, quantity) + "</g>\n"
      }
    }
    for (index, law) in laws.enumerated() {
      body += text(law, x: 14, y: head + 2 * cell.height + 16 + 20 * Double(index), class: "small")
    }
    return """
      <svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 \(number(width)) \(number(height))" width="\(number(width))" \
      height="\(number(height))" role="img" aria-labelledby="title description">
      <title id="title">\(escaped(title))</title>
      <desc id="description">\(escaped(laws.joined(separator: ". ")))</desc>
      <style>
      text { font: 12px sans-serif; fill: #222 } .title { font-size: 16px; font-weight: bold } .small { font-size: 11px }
      .ground { fill: #fff } .grid { stroke: #ddd } .frame { stroke: #888; fill: none }
      @media (prefers-color-scheme: dark) {
      text { fill: #ddd } .ground { fill: #181818 } .grid { stroke: #333 } }
      </style>
      <rect class="ground" width="100%" height="100%"/>
      \(body)</svg>

      """
  }

  private enum Quantity: CaseIterable {
    case time, memory

    var name: String { self == .time ? "time" : "memory at most" }

    func value(of point: GrowthPoint) -> Double { self == .time ? point.seconds : Double(point.peakBytes) }
    func law(of curve: GrowthCurve) -> GrowthLaw? { self == .time ? curve.time : curve.memory }

    /// A tick's text. Memory has ticks at powers of ten of bytes, as its scale has.
    func label(_ value: Double) -> String {
      guard self == .memory else { return GrowthCurve.seconds(value).shortened }
      for (unit, scale) in [("GB", 1e9), ("MB", 1e6), ("kB", 1e3)] where value >= scale {
        return (value / scale).decimal(places: 3).shortened + " \(unit)"
      }
      return value.decimal(places: 0) + " B"
    }
  }

  private func panel(_ axis: GrowthAxis, _ quantity: Quantity) -> String {
    let curves = series.enumerated().compactMap { index, one in
      one.curves.first { $0.axis == axis && !$0.points.isEmpty }.map { (index: index, curve: $0) }
    }
    let points = curves.flatMap(\.curve.points)
    let across = LogScale(points.map(\.variable), length: Self.panel.width)
    let up = LogScale(points.map { quantity.value(of: $0) }.filter { $0 > 0 }, length: Self.panel.height)
    var svg = ""
    for tick in across.ticks {
      let x = number(across.place(of: tick))
      svg += "<line class=\"grid\" x1=\"\(x)\" x2=\"\(x)\" y1=\"0\" y2=\"\(number(Self.panel.height))\"/>\n"
      svg += text(
        Int(tick.rounded()).grouped, x: across.place(of: tick), y: Self.panel.height + 16, class: "small",
        anchor: "middle")
    }
    for tick in up.ticks {
      let y = Self.panel.height - up.place(of: tick)
      svg += """
        <line class="grid" x1="0" x2="\(number(Self.panel.width))" y1="\(number(y))" y2="\(number(y))"/>

        """
      svg += text(quantity.label(tick), x: -6, y: y + 4, class: "small", anchor: "end")
    }
    svg += """
      <rect class="frame" width="\(number(Self.panel.width))" height="\(number(Self.panel.height))"/>

      """
    var label = axis.variable
    if axis == .pixels, let first = curves.first?.curve.points.first, let last = curves.first?.curve.points.last {
      label += " (\(first.value) to \(last.value) pixels a side)"
    }
    svg += text(label, x: Self.panel.width / 2, y: Self.panel.height + 34, anchor: "middle")
    svg += text(quantity.name, x: 0, y: -8)
    for (index, curve) in curves {
      let colour = Self.colours[index % Self.colours.count]
      if let law = quantity.law(of: curve), let first = curve.points.first, let last = curve.points.last {
        // Enough for a curve that looks like one.
        let places = (0...40).map { first.variable * pow(last.variable / first.variable, Double($0) / 40) }
        let line = places.map { x in
          "\(number(across.place(of: x))),\(number(Self.panel.height - up.place(of: law.value(at: x))))"
        }
        svg += """
          <polyline fill="none" stroke="\(colour)" points="\(line.joined(separator: " "))"/>

          """
      }
      for point in curve.points where quantity.value(of: point) > 0 {
        svg += mark(
          index, x: across.place(of: point.variable),
          y: Self.panel.height - up.place(of: quantity.value(of: point)))
      }
    }
    return svg
  }

  /// A point of a series, told apart by shape as well as colour.
  private func mark(_ index: Int, x: Double, y: Double) -> String {
    let colour = Self.colours[index % Self.colours.count]
    switch index % 3 {
    case 0: return "<circle cx=\"\(number(x))\" cy=\"\(number(y))\" r=\"3.5\" fill=\"\(colour)\"/>\n"
    case 1:
      return """
        <rect x="\(number(x - 3.2))" y="\(number(y - 3.2))" width="6.4" height="6.4" fill="\(colour)"/>

        """
    default:
      return """
        <path d="M\(number(x)) \(number(y - 4))l4 7h-8z" fill="\(colour)"/>

        """
    }
  }

  private func text(_ text: String, x: Double, y: Double, class name: String = "", anchor: String = "start") -> String {
    "<text class=\"\(name)\" text-anchor=\"\(anchor)\" x=\"\(number(x))\" y=\"\(number(y))\">\(escaped(text))</text>\n"
  }

  private func number(_ value: Double) -> String { value.decimal(places: 1) }

  private func escaped(_ text: String) -> String {
    var safe = ""
    for scalar in text.printable.unicodeScalars {
      switch scalar {
      case "&": safe += "&amp;"
      case "<": safe += "&lt;"
      case ">": safe += "&gt;"
      default: safe.unicodeScalars.append(scalar)
      }
    }
    return safe
  }
}

extension String {
  /// A decimal number, which a unit may follow, without zeros at its end: `1.50 s` is `1.5 s`.
  fileprivate var shortened: String {
    let parts = split(separator: " ", maxSplits: 1)
    guard var digits = parts.first, digits.contains(".") else { return self }
    while digits.hasSuffix("0") { digits.removeLast() }
    if digits.hasSuffix(".") { digits.removeLast() }
    return ([String(digits)] + parts.dropFirst().map(String.init)).joined(separator: " ")
  }
}
