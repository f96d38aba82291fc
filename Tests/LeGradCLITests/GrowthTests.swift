import Foundation
import FoundationXML
import TestSupport
import Testing

@testable import LeGradCLI

/// Laws that are fitted to hand-made numbers, and what is drawn of them.
@Suite struct GrowthTests {
  private func law(_ ns: [Double], _ value: (Double) -> Double) throws -> GrowthLaw {
    try #require(GrowthLaw(ns.map { ($0, value($0)) }))
  }

  @Test(arguments: [0.5, 1, 1.37, 2, 3], [0, 0.2, 30]) func aLawIsFoundAgain(exponent: Double, start: Double) throws {
    let found = try law([1, 2, 3, 5, 8, 13, 40]) { start + 0.7 * Foundation.pow($0, exponent) }
    #expect(abs(found.exponent - exponent) < 0.011 && abs(found.start - start) < 0.02 * max(start, 0.7))
    #expect(abs(found.share - 0.7) < 0.03 && found.error < 0.01)
    for n in [1.0, 7, 40] { #expect(abs(found.value(at: n) / (start + 0.7 * Foundation.pow(n, exponent)) - 1) < 0.01) }
  }

  @Test func noiseMovesTheExponentALittle() throws {
    let found = try law([1, 2, 4, 8, 16, 32, 64]) { 3 * $0 * (Int($0) % 3 == 1 ? 1.03 : 0.97) }
    #expect(abs(found.exponent - 1) < 0.05 && found.error < 0.05)
  }

  @Test func whatDoesNotGrowIsConstant() throws {
    let flat = try law([1, 2, 4, 8]) { _ in 5 }
    #expect(flat.isConstant(from: 1, to: 8) && abs(flat.value(at: 3) - 5) < 1e-9)
    let words = GrowthPlot.words(flat, subject: "images", from: 1, to: 8, unit: GrowthPlot.bytes)
    #expect(words == "5.00 B, whatever the images")
    #expect(try !law([1, 2, 4, 8]) { $0 }.isConstant(from: 1, to: 8))
    let steep = try law([1, 2, 4, 8]) { 0.004 + 0.0005 * $0 * $0 }
    #expect(
      GrowthPlot.words(steep, subject: "n", from: 1, to: 8, unit: GrowthPlot.seconds)
        == "4.00 ms + 32.0 ms · (n/8)^2.00")
  }

  @Test func tooFewOrSenselessPointsHaveNoLaw() {
    #expect(GrowthLaw([]) == nil && GrowthLaw([(1, 1), (2, 2)]) == nil && GrowthLaw([(1, 1), (1, 2), (2, 3)]) == nil)
    for bad in [0, -1, .infinity, .nan] as [Double] {
      #expect(GrowthLaw([(1, 1), (2, bad), (3, 3)]) == nil && GrowthLaw([(bad, 1), (2, 2), (3, 3)]) == nil)
    }
  }

  @Test func numbersDouble() {
    #expect(GrowthRun.doubling(to: 1) == [1] && GrowthRun.doubling(to: 2) == [1, 2])
    #expect(GrowthRun.doubling(to: 100) == [1, 2, 4, 8, 16, 32, 64, 100])
  }

  @Test func ticksAreFewAndRound() {
    #expect(GrowthPlot.ticks(from: 1, to: 100) == [1, 3, 10, 30, 100])
    #expect(GrowthPlot.ticks(from: 1.5, to: 12) == [2, 5, 10])
    #expect(GrowthPlot.ticks(from: 11, to: 12) == [11])
    for (low, high) in [(1e-6, 1e6), (3, 4e9), (0.011, 0.012), (1, 1)] {
      let ticks = GrowthPlot.ticks(from: low, to: high)
      #expect((1...13).contains(ticks.count) && ticks.allSatisfy { $0 >= low * 0.999 && $0 <= high * 1.001 })
    }
    #expect(GrowthPlot.ticks(from: 0, to: 1).isEmpty && GrowthPlot.ticks(from: 2, to: 1).isEmpty)
  }

  @Test func quantitiesHaveUnits() {
    #expect([12, 0.0123, 1.23e-5].map(GrowthPlot.seconds) == ["12.0 s", "12.3 ms", "12.3 µs"])
    let bytes = [3, 2048, 1.5 * 0x1p20, 300 * 0x1p30].map(GrowthPlot.bytes)
    #expect(bytes == ["3.00 B", "2.00 KiB", "1.50 MiB", "300 GiB"])
  }

  /// Elements of an SVG that is well formed, by name.
  private final class Elements: NSObject, XMLParserDelegate {
    var elements: [String: [[String: String]]] = [:]
    var texts: [String] = []
    private var text: String?

    func parser(
      _ parser: XMLParser, didStartElement name: String, namespaceURI: String?, qualifiedName: String?,
      attributes: [String: String]
    ) {
      elements[name, default: []].append(attributes)
      text = name == "text" ? "" : nil
    }
    func parser(_ parser: XMLParser, foundCharacters string: String) { text? += string }
    func parser(_ parser: XMLParser, didEndElement name: String, namespaceURI: String?, qualifiedName: String?) {
      if let text { texts.append(text) }
      text = nil
    }
  }

  private func drawn(_ plot: GrowthPlot) throws -> Elements {
    let elements = Elements()
    let parser = XMLParser(data: Data(plot.svg().utf8))
    parser.delegate = elements
    #expect(parser.parse(), "\(parser.parserError.map { "\($0)" } ?? "")")
    return elements
  }

  @Test func aPlotHasItsPointsAndLawsInPlace() throws {
    func series(_ subject: String, _ ns: [Double], exponent: Double) -> GrowthSeries {
      GrowthSeries(
        subject: subject,
        points: ns.map { .init(n: $0, seconds: 0.01 * Foundation.pow($0, exponent), bytes: 3e8 + 0 * $0) })
    }
    let plot = GrowthPlot(
      title: "a <model> & \"another\"",
      series: [series("images", [1, 2, 4, 8], exponent: 1), series("pixels", [100, 400, 1600], exponent: 2)])
    let drawn = try drawn(plot)
    #expect(drawn.texts.first == "a <model> & \"another\"")
    #expect(drawn.elements["circle"]?.count == 14 && drawn.elements["path"]?.count == 4)
    #expect(drawn.texts.contains("80.0 ms · (images/8)^1.00"), "\(drawn.texts)")
    #expect(drawn.texts.contains { $0.hasSuffix("· (pixels/1600)^2.00") })
    #expect(drawn.texts.filter { $0 == "286 MiB, whatever the images" }.count == 1)
    let view = try #require(drawn.elements["svg"]?[0]["viewBox"]).split(separator: " ").compactMap { Double($0) }
    // Points of one series go to the right and up, at even steps where they double.
    let circles = try #require(drawn.elements["circle"]).map { circle in
      (x: Double(circle["cx"] ?? "") ?? -1, y: Double(circle["cy"] ?? "") ?? -1)
    }
    for circle in circles { #expect((0...view[2]).contains(circle.x) && (0...view[3]).contains(circle.y)) }
    let steps = zip(circles[..<3], circles[1..<4]).map { ($1.x - $0.x, $0.y - $1.y) }
    for step in steps {
      #expect(step.0 > 1 && step.1 > 1 && abs(step.0 - steps[0].0) < 0.25 && abs(step.1 - steps[0].1) < 0.25)
    }
  }

  @Test func fewOrNoPointsAreDrawnWithoutALaw() throws {
    for ns in [[], [1], [1, 2]] as [[Double]] {
      let points = ns.map { GrowthSeries.Point(n: $0, seconds: $0, bytes: 1e6) }
      let drawn = try drawn(GrowthPlot(title: "", series: [GrowthSeries(subject: "images", points: points)]))
      #expect(drawn.elements["circle"]?.count ?? 0 == 2 * ns.count && drawn.elements["path"] == nil)
    }
    #expect(try drawn(GrowthPlot(title: "nothing", series: [])).texts == ["nothing"])
  }

  /// The command draws its own model's growth, and says the laws.
  @Test func theCommandDrawsIt() throws {
    let scratch = try ScratchFolder()
    let result = try CommandRunner.run(
      ["benchmark", "--plot", "growth.svg", "--images", "4", "--prompts", "4", "--repetitions", "1"]
        + ["--device", "cpu"], in: scratch)
    expectExit(0, result)
    for subject in ["images", "prompts", "blocks"] { #expect(result.output.contains("\(subject): ")) }
    #expect(String(decoding: try scratch.bytes("growth.svg"), as: UTF8.self).hasPrefix("<svg "))
    expectExit(2, try CommandRunner.run(["benchmark", "--plot", "a.svg", "--predict", "this"], in: scratch))
    let nowhere = ["benchmark", "--plot", "no/such/folder/a.svg", "--device", "cpu"]
    expectExit(3, try CommandRunner.run(nowhere, in: scratch))
  }
}
