import Failures
import Foundation
import FoundationXML
import LeGrad
import Testing

@testable import LeGradCLI

@Suite struct GrowthTests {
  /// Points of a law are given back by it, whatever the order of its factors.
  @Test(arguments: [
    [0.25, 0.5], [0, 3], [7, 0], [1e-9, 2e-7], [0.5, 0.001, 2e-6], [0, 0.25, 0], [0, 0, 1e-12], [3, 0, 0.5],
  ])
  func aLawIsFound(factors: [Double]) throws {
    let points = [1.0, 2, 5, 197, 785, 7057].map { x in
      (x: x, y: factors.reversed().reduce(0) { $0 * x + $1 })
    }
    let law = try #require(GrowthLaw(degree: factors.count - 1, points))
    #expect(law.largestDeviation < 1e-6)
    for point in points { #expect(abs(law.value(at: point.x) / point.y - 1) < 1e-6) }
    let highest = (factors.last ?? 0) * pow(100, Double(factors.count - 1))
    let whole = factors.reversed().reduce(0) { $0 * 100 + $1 }
    #expect(abs(law.highestShare(at: 100) - highest / whole) < 1e-6)
  }

  /// A falling cost has no growth: no factor is negative, and the deviation says that it does not fit.
  @Test func noFactorIsNegative() throws {
    let law = try #require(GrowthLaw(degree: 1, [(x: 1, y: 4), (x: 2, y: 3), (x: 3, y: 2)]))
    #expect(law.factors[1] == 0)
    // The constant whose squared relative deviations are least: Σ 1/y / Σ 1/y² = 156/61.
    #expect(abs(law.factors[0] - 156.0 / 61) < 1e-12)
    #expect(abs(law.largestDeviation - (4 * 61 / 156.0 - 1)) < 1e-12)
  }

  /// Points of other programs: a deviation of a tenth is said as one.
  @Test func deviationsAreOfTheLaw() throws {
    let law = try #require(GrowthLaw(degree: 1, [(x: 1, y: 1), (x: 1, y: 1.2), (x: 1, y: 1.1)]))
    #expect(abs(law.value(at: 1) - (1 + 1 / 1.2 + 1 / 1.1) / (1 + 1 / 1.44 + 1 / 1.21)) < 1e-9)
  }

  @Test func whatHasNoLaw() {
    #expect(GrowthLaw(degree: 1, [(x: 1, y: 1)]) == nil)
    #expect(GrowthLaw(degree: 2, [(x: 1, y: 1), (x: 2, y: 2)]) == nil)
    #expect(GrowthLaw(degree: 1, [(x: 1, y: 1), (x: 2, y: 0)]) == nil)
    #expect(GrowthLaw(degree: 1, [(x: 1, y: 1), (x: 2, y: .nan)]) == nil)
    #expect(GrowthLaw(degree: 0, [(x: 1, y: 4)])?.factors == [4])
  }

  @Test func scalesAreLogarithmic() {
    let scale = LogScale([10, 1000], length: 100)
    #expect(abs(scale.place(of: 100) - 50) < 1e-9)
    #expect(scale.place(of: 10) > 0 && scale.place(of: 1000) < 100)
    #expect(scale.ticks == [10, 20, 50, 100, 200, 500, 1000])
    // Numbers that hardly differ are in the middle of a factor of four.
    let flat = LogScale([7, 7], length: 80)
    #expect(abs(flat.place(of: 7) - 40) < 1e-9 && abs(flat.upper / flat.lower - 4) < 1e-9)
    #expect(LogScale([1, 1e12], length: 9).ticks.count <= 8)
    #expect(LogScale([], length: 9).ticks.isEmpty == false)
  }

  @Test(arguments: [
    (2.5, "2.50 s"), (0.0123, "12.3 ms"), (0.000456, "456 µs"), (3e-8, "30.0 ns"), (0.99996, "1.00 s"),
    (123.4, "123 s"),
  ])
  func secondsHaveAUnit(value: Double, text: String) { #expect(GrowthCurve.seconds(value) == text) }

  private static func curve(_ axis: GrowthAxis, _ values: [Int], _ seconds: (Double) -> Double) -> GrowthCurve {
    GrowthCurve(
      axis: axis,
      points: values.map {
        GrowthPoint(
          axis: axis.rawValue, value: $0, variable: Double($0), seconds: seconds(Double($0)), peakBytes: 1 << 20)
      })
  }

  @Test func lawsAreSaid() {
    #expect(
      Self.curve(.prompts, [1, 2, 4, 8]) { 0.5 + 0.25 * $0 }.line
        == "prompts: 500 ms + 250 ms · prompts, within 0.0 %; 1.0 MiB, within 0.0 %")
    #expect(
      Self.curve(.pixels, [100, 200, 400, 1000]) { 0.001 * $0 + 1e-6 * $0 * $0 }.line
        == "pixels: 1.00 ms · tokens + 1.00 µs · tokens², within 0.0 % (squares are 50 % at 1,000); "
        + "1.0 MiB, within 0.0 %")
    #expect(Self.curve(.blocks, [1]) { $0 }.line == "blocks: too few points for a law")
  }

  /// A file of rows is read as it was written, and a bad one names its place.
  @Test func seriesAreFiles() throws {
    let scratch = try ScratchFolder()
    let series = GrowthSeries(
      name: "x", curves: [Self.curve(.images, [1, 10]) { 0.125 * $0 }, Self.curve(.pixels, [224, 448]) { $0 }])
    let path = try scratch.write(series.csv, to: "rows.csv")
    #expect(try GrowthSeries(name: "x", file: path) == series)
    for (row, place) in [
      ("depth,1,1,1,1", "column axis"), ("images,1,1,-1,1", "column seconds"), ("images,nan,1,1,1", "column value"),
      ("images,1,1,1,1e300", "column peakBytes"), ("images,1,1,,1", "column seconds"),
    ] {
      let bad = try scratch.write("axis,value,variable,seconds,peakBytes\n" + row, to: "bad.csv")
      let error = #expect(throws: LeGradError.self) { try GrowthSeries(name: "x", file: bad) }
      let words = error.map { "\($0)" } ?? ""
      #expect(words.contains("line 2") && words.contains(place), "\(words)")
    }
  }

  /// The picture is well-formed, has every point and what a reader of screens needs, and no text of others is markup.
  @Test func thePictureIsWellFormed() throws {
    let first = GrowthSeries(
      name: "one",
      curves: [Self.curve(.images, [1, 10, 100]) { 0.1 * $0 }, Self.curve(.pixels, [4, 9, 16]) { $0 * $0 }])
    let second = GrowthSeries(name: "two <b>&", curves: [Self.curve(.images, [1, 10, 100]) { 0.3 * $0 }])
    let svg = GrowthPlot(title: "a <model> & more", series: [first, second]).svg
    let document = try XMLDocument(xmlString: svg)
    func count(_ path: String) throws -> Int { try document.nodes(forXPath: "//*[local-name()='\(path)']").count }
    // Two quantities of six points, and one in the legend; of three points and one, as squares, beside ground and frames.
    #expect(try count("circle") == 2 * 6 + 1)
    #expect(try count("rect") == 2 * 3 + 1 + 1 + 4)
    #expect(try count("polyline") == 2 * 3)
    #expect(try count("b") == 0 && count("model") == 0)
    let title = try #require(document.nodes(forXPath: "//*[local-name()='title']").first)
    #expect(title.stringValue == "a <model> & more")
    #expect(!svg.contains("nan") && !svg.contains("inf"))
  }

  /// Points lie where their numbers say: in the time panel of images, a tenth of a decade is a tenth of its length.
  @Test func pointsLieOnTheirLaw() throws {
    let series = GrowthSeries(name: "one", curves: [Self.curve(.images, [1, 10, 100]) { 0.1 * $0 }])
    let svg = GrowthPlot(title: "t", series: [series]).svg
    let document = try XMLDocument(xmlString: svg)
    let group = try #require(document.nodes(forXPath: "//*[local-name()='g']").first as? XMLElement)
    let circles = (group.children ?? []).compactMap { $0 as? XMLElement }.filter { $0.localName == "circle" }
    func number(_ element: XMLElement, _ name: String) throws -> Double {
      try #require(element.attributes?.first { $0.name == name }?.stringValue.flatMap { Double($0) })
    }
    #expect(circles.count == 3)
    for (name, sign) in [("cx", 1.0), ("cy", -1.0)] {
      let places = try circles.map { try number($0, name) }
      let (first, second) = (places[1] - places[0], places[2] - places[1])
      #expect(abs(second - first) < 0.2 && first * sign > 10, "\(places)")
    }
  }
}

@Suite struct GrowthCommandTests {
  let scratch: ScratchFolder

  init() throws { scratch = try ScratchFolder() }

  private func plot(_ options: [String]) throws -> CommandResult {
    try CommandRunner.run(
      ["benchmark", "-m", GoldenCommand.model, "--device", "cpu", "--plot", "growth.svg", "--repetitions", "1"]
        + options, in: scratch)
  }

  @Test func axesAreMeasuredAndDrawn() throws {
    let result = try plot(["--plot-seconds", "1", "-o", "csv"])
    expectExit(0, result)
    try scratch.write(result.output, to: "rows.csv")
    let series = try GrowthSeries(name: "x", file: scratch.path("rows.csv"))
    #expect(series.curves.map(\.axis) == [.images, .prompts, .pixels, .blocks])
    for curve in series.curves {
      #expect(curve.points.count >= 2)
      #expect(curve.points.map(\.value) == curve.points.map(\.value).sorted())
      #expect(curve.points.allSatisfy { $0.peakBytes > 1 << 20 })
    }
    // The golden model has 4 blocks and patches of 8 pixels.
    #expect(series.curves[3].points.last?.value == 4)
    let pixels = series.curves[2].points[0]
    #expect(pixels.value % 8 == 0 && pixels.variable == Double(pixels.value / 8 * (pixels.value / 8) + 1))
    let svg = String(decoding: try scratch.bytes("growth.svg"), as: UTF8.self)
    _ = try XMLDocument(xmlString: svg)

    let beside = try plot(["--plot-seconds", "1", "--beside", "before=rows.csv", "-o", "json"])
    expectExit(0, beside)
    let points = try #require(beside.json() as? [[String: Any]])
    #expect(Set(points.compactMap { $0["axis"] as? String }) == ["images", "prompts", "pixels", "blocks"])
    #expect(String(decoding: try scratch.bytes("growth.svg"), as: UTF8.self).contains(">before<"))
  }

  /// A method with blocks of its own has no axis of them, which is said.
  @Test func whatDoesNotGrowIsLeftOut() throws {
    let result = try plot(["--plot-seconds", "1", "--method", "rollout"])
    expectExit(0, result)
    #expect(result.errors.contains("blocks left out: rollout"), "\(result.errors)")
    #expect(result.output.contains("prompts: "))
  }

  @Test(arguments: [
    (["--device", "all"], "--device all"), (["--profile"], "--profile"),
    (["--method", "rollout,legrad"], "one method"),
    (["--beside", "x"], "NAME=FILE"), (["--plot-seconds", "0"], "--plot-seconds"),
    (["--predict", "h200"], "--predict"),
  ])
  func usage(_ options: [String], _ complaint: String) throws {
    let result = try plot(options)
    #expect(result.exitCode == 2 && result.errors.contains(complaint), "\(result.errors)")
    #expect(scratch.files(in: "").isEmpty)
  }

  @Test func filesThatCannotBe() throws {
    expectExit(3, try plot(["--beside", "x=missing.csv"]), complaint: "missing.csv")
    expectExit(2, try CommandRunner.run(["benchmark", "--beside", "x=y"], in: scratch))
    let lost = try CommandRunner.run(
      [
        "benchmark", "-m", GoldenCommand.model, "--device", "cpu", "--plot", "nowhere/growth.svg", "--plot-seconds",
        "1",
      ],
      in: scratch)
    expectExit(3, lost, complaint: "nowhere")
  }
}
