import Failures
import Foundation
import ImageFiles
import LeGrad
import TestSupport
import Testing

@testable import LeGradCLI

@Suite struct MedianTests {
  @Test func medians() {
    #expect(median([3]) == 3)
    #expect(median([5, 1, 3]) == 3)
    #expect(median([4, 1, 3, 2]) == 2.5)
  }
}

@Suite struct FormattingTests {
  @Test(arguments: [
    (0.0, 2, "0.00"), (1.005, 1, "1.0"), (-0.04, 1, "0.0"), (-1.25, 1, "-1.3"), (0.123456, 4, "0.1235"),
    (999.9996, 3, "1000.000"), (7, 0, "7"), (.infinity, 2, "inf"),
  ])
  func decimals(value: Double, places: Int, text: String) { #expect(value.decimal(places: places) == text) }

  @Test(arguments: [(0, "0"), (999, "999"), (1000, "1,000"), (1_234_567, "1,234,567"), (-12_345, "-12,345")])
  func groups(value: Int, text: String) { #expect(value.grouped == text) }

  @Test(arguments: [(0, "0 B"), (1023, "1023 B"), (1536, "1.5 KiB"), (5 << 30, "5.0 GiB"), (3 << 50, "3072.0 TiB")])
  func bytes(value: Int, text: String) { #expect(value.asBytes == text) }

  @Test func columnsLineUp() {
    var table = ColumnTable(["a", "long heading"])
    table.append(["wide cell", "x"])
    #expect(table.lines(indent: 1) == [" a          long heading", " wide cell  x"])
  }

  @Test func controlCharactersAreShown() { #expect("a\u{1B}[1m\n".printable == "a\\u{1b}[1m\\u{a}") }
}

@Suite struct ProgressBarTests {
  @Test func saysRateAndTimeLeft() {
    #expect(
      ProgressBar.line(done: 5, total: 10, seconds: 2, columns: 44) == "[#########·········] 5/10  2.50/s  2 s left")
    #expect(
      ProgressBar.line(done: 5, total: 10, seconds: 2, limit: "writing", columns: 60)
        == "[#########·········] 5/10  2.50/s  2 s left  limit: writing")
    #expect(ProgressBar.line(done: 0, total: 10, seconds: 2, columns: 20) == "[············] 0/10")
    #expect(ProgressBar.line(done: 10, total: 10, seconds: 1, columns: 30) == "[###############] 10/10  10/s")
  }

  @Test(arguments: 0...120)
  func neverFillsTheLine(_ columns: Int) {
    #expect(ProgressBar.line(done: 333, total: 10_000, seconds: 100, columns: columns).count <= max(0, columns - 1))
  }

  @Test(arguments: [
    (0.0, "0 s"), (59.2, "1 min 0 s"), (200, "3 min 20 s"), (7500, "2 h 5 min"), (.infinity, "277777 h 46 min"),
  ])
  func durations(seconds: Double, text: String) { #expect(ProgressBar.duration(seconds) == text) }
}

@Suite struct OutputPlanTests {
  private func plan(
    _ images: [String], formats: Set<OutputPlan.Format> = [.png, .npy, .json], perLayer: Bool = true, prompts: Int = 2
  ) throws -> OutputPlan {
    try OutputPlan(
      images: images, folder: "/nowhere/out", formats: formats, perLayer: perLayer, prompts: prompts, overwrite: false)
  }

  @Test func namesEveryFile() throws {
    let plan = try plan(["a/cat.jpg", "dog.png"])
    #expect(
      plan.items[0].names == [
        "cat.overlay.0.png", "cat.overlay.1.png", "cat.heatmap.0.png", "cat.heatmap.1.png", "cat.heatmaps.npy",
        "cat.relevance.npy", "cat.layers.npy", "cat.json",
      ])
    #expect(
      try self.plan(["x.png"], formats: [.jpg], perLayer: false).items[0].names == [
        "x.overlay.0.jpg", "x.overlay.1.jpg",
      ])
    #expect(plan.path("dog.json") == "/nowhere/out/dog.json")
    #expect(try self.plan(["x.png"], formats: [.json], perLayer: false).items[0].names == ["x.json"])
  }

  /// As many folders as tell pictures apart, or their endings in one folder.
  @Test(arguments: [
    (["a.png", "a.jpg"], ["a.png", "a.jpg"]),
    (["/x/a.png", "/y/a.png", "/y/b.png"], ["x/a", "y/a", "b"]),
    (["/p/x/a.png", "/q/x/a.png"], ["p/x/a", "q/x/a"]),
    (["/a.png", "/x/a.png"], ["a", "x/a"]),
    (["/x/a.png", "/x/a.jpg", "/y/a.png"], ["x/a.png", "x/a.jpg", "y/a"]),
    (["/x/a.png", "/x/a.jpg", "/x/a.png.gif"], ["a.png", "a.jpg", "a.png.gif"]),
  ])
  func equalStemsAreToldApart(_ images: [String], stems: [String]) throws {
    #expect(try plan(images, formats: [.json], perLayer: false).items.flatMap(\.names) == stems.map { $0 + ".json" })
  }

  @Test func filesOfFoldersLieInFolders() throws {
    let plan = try OutputPlan(
      images: ["/in/a.png", "/in/x/a.png", "/in/x/y/b.png"], depths: [0, 1, 2], folder: "/nowhere/out",
      formats: [.json], perLayer: false, prompts: 1, overwrite: false)
    #expect(plan.items.flatMap(\.names) == ["a.json", "x/a.json", "x/y/b.json"])
    #expect(plan.subfolders == ["x", "x/y"])
  }

  @Test func refusesAFileTwice() {
    #expect { try plan(["a.png", "b.png", "./a.png"]) } throws: { ($0 as? LeGradError)?.kind == .usage }
  }

  @Test func namesOfDifferentStemsNeverMeet() throws {
    let stems = ["a", "a.overlay", "a.overlay.0", "a.heatmap", "a.heatmaps", "a.json", "a.layers"]
    let names = try plan(stems.map { $0 + ".png" }, prompts: 12).items.flatMap(\.names)
    #expect(Set(names).count == names.count)
  }
}

@Suite struct FailureTests {
  @Test func messagesAreOneLine() {
    #expect(LeGradError(.usage, "first,\n  second\r\nthird").line == "first, second third")
  }

  @Test func exitCodesAreTheDocumentedOnes() {
    let codes: [LeGradCLI.ExitStatus] = [
      .success, .someFailed, .usage, .badFile, .deviceUnusable, .outOfMemory, .numericalFault,
    ]
    #expect(codes.map(\.rawValue) == Array(0...6))
  }
}

@Suite struct BenchmarkRowTests {
  private let row = BenchmarkRow(
    arch: "a|b", method: "legrad", device: "CPU, \"fast\"", variant: "v", precision: "f32", size: "8x8", images: 1,
    prompts: 1, layers: 1, repetitions: 1, medianSeconds: 0.5, minSeconds: 0.25, imagesPerSecond: 2, gflops: 1,
    shareOfPeak: nil, peakBytes: 1, uploadedBytes: 1, downloadedBytes: 1)

  @Test func whatWasNotMeasuredIsNull() throws {
    let object = try #require(
      JSONSerialization.jsonObject(with: Data(JSONText.encode(row).utf8)) as? [String: Any])
    #expect(object["shareOfPeak"] is NSNull)
    #expect(Set(object.keys) == Set(BenchmarkRow.columns))
  }

  @Test func separatorsInValuesAreEscaped() {
    #expect(BenchmarkRow.csv([row]).contains("\"CPU, \"\"fast\"\"\""))
    #expect(BenchmarkRow.markdown([row]).contains("| a\\|b |"))
  }
}
