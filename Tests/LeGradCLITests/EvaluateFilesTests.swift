import Foundation
import ImageFiles
import NpyFiles
import TestSupport
import Testing

/// `legrad evaluate` on files in the layouts of the data sets.
@Suite struct EvaluateFilesTests {
  let scratch: ScratchFolder

  init() throws { scratch = try ScratchFolder() }

  private func evaluate(_ arguments: [String]) throws -> CommandResult {
    try CommandRunner.run(["evaluate"] + arguments + ["--device", "cpu", "--json"], in: scratch)
  }

  private func makeFolder(_ name: String) throws {
    try FileManager.default.createDirectory(atPath: scratch.path(name), withIntermediateDirectories: true)
  }

  private static let side = 96

  /// A square of one colour on grey, and its mask.
  private func square(_ x: Int, _ y: Int, _ colour: [UInt8]) -> (image: RGBImage, mask: RGBImage) {
    var (pixels, mask): ([UInt8], [UInt8]) = ([], [])
    for row in 0..<Self.side {
      for column in 0..<Self.side {
        let isInside = (x..<x + 24).contains(column) && (y..<y + 24).contains(row)
        pixels += isInside ? colour : [110, 115, 120]
        mask += [UInt8](repeating: isInside ? 255 : 0, count: 3)
      }
    }
    return (
      RGBImage(width: Self.side, height: Self.side, pixels: pixels),
      RGBImage(width: Self.side, height: Self.side, pixels: mask)
    )
  }

  private let red: [UInt8] = [220, 40, 40]
  private let blue: [UInt8] = [50, 80, 220]

  @Test func masksInAFolder() throws {
    for folder in ["set/images", "set/masks"] { try makeFolder(folder) }
    let pictures = [("a", square(10, 20, red)), ("b", square(60, 50, blue)), ("cut", square(0, 0, red))]
    for (name, (image, mask)) in pictures {
      try scratch.write(image.pngBytes(), to: "set/images/\(name).png")
      try scratch.write(mask.pngBytes(), to: "set/masks/\(name).png")
    }
    try scratch.write(Array(try scratch.bytes("set/images/cut.png").prefix(60)), to: "set/images/cut.png")
    try scratch.write(
      #"{"a": "red square", "b": "blue square", "cut": "red square"}"#, to: "set/classes.json")
    let result = try evaluate(["segmentation", "--dataset", "set", "-o", "out", "--threshold", "0.5"])
    expectExit(1, result, complaint: "cut.png")
    let object = try #require(try result.json() as? [String: Any])
    #expect(object["images"] as? Int == 3 && object["failed"] as? Int == 1 && object["accuracy"] as? Double == 1)
    #expect(((object["failures"] as? [[String: String]])?.first?["reason"])?.contains("cut.png") == true)

    // The same from what `explain` writes.
    var (correct, intersections, unions) = (0, [0, 0], [0, 0])
    for (name, prompt) in [("a", "a red square"), ("b", "a blue square")] {
      let explained = try CommandRunner.run(
        ["explain", "set/images/\(name).png", "-p", prompt, "--format", "npy", "--device", "cpu"], in: scratch)
      expectExit(0, explained)
      let heatmap = try NpyFile.readFloats(scratch.path("legrad-out/\(name).heatmaps.npy")).values
      let mask = try RGBImage.decode(path: scratch.path("set/masks/\(name).png")).image
      for pixel in heatmap.indices {
        let (found, isThere) = (heatmap[pixel] > 0.5, mask.pixels[3 * pixel] > 0)
        correct += found == isThere ? 1 : 0
        for region in 0...1 {
          intersections[region] += found == (region == 1) && isThere == (region == 1) ? 1 : 0
          unions[region] += found == (region == 1) || isThere == (region == 1) ? 1 : 0
        }
      }
    }
    let accuracy = try #require(object["pixelAccuracy"] as? Double)
    let mIoU = try #require(object["mIoU"] as? Double)
    #expect(abs(accuracy - Double(correct) / Double(2 * Self.side * Self.side)) < 1e-3)
    let expected = (0...1).map { Double(intersections[$0]) / Double(unions[$0]) }.reduce(0, +) / 2
    #expect(abs(mIoU - expected) < 1e-3)
  }

  @Test func pointsInTables() throws {
    try makeFolder("images")
    try scratch.write(square(10, 20, red).image.pngBytes(), to: "images/0a.png")
    try scratch.write(square(60, 50, blue).image.pngBytes(), to: "images/0b.png")
    try scratch.write(
      """
      ImageId,X,Y,Label,EstimatedYesNo,Source,YesVotes,NoVotes,UnsureVotes,TextLabel
      0a,0.2,0.3,/m/r,yes,,1,0,0,
      0a,0.9,0.9,/m/r,no,,0,1,0,
      0a,0.5,0.5,/m/b,no,,0,1,0,
      0b,0.7,0.6,/m/b,yes,,1,0,0,
      0b,0.1,0.1,/m/b,unsure,,1,0,0,

      """, to: "points.csv")
    try scratch.write("LabelName,DisplayName\n/m/r,red square\n/m/b,blue square\n", to: "classes.csv")
    let result = try evaluate([
      "points", "--images", "images", "--points", "points.csv", "--class-descriptions", "classes.csv", "-o", "out",
      "--method", "textspan",
    ])
    expectExit(0, result)
    let object = try #require(try result.json() as? [String: Any])
    for key in ["perClass", "perImage"] { #expect((0...1).contains(try #require(object[key] as? Double))) }
    #expect(object["images"] as? Int == 2 && object["threshold"] as? Double == 0.5 && object["mIoU"] == nil)
    let missing = try evaluate([
      "points", "--images", "images", "--points", "absent.csv", "--class-descriptions", "classes.csv",
    ])
    expectExit(3, missing, complaint: "absent.csv")
  }

  @Test func perturbationInFoldersOfClasses() throws {
    for folder in ["val/n1", "val/n2"] { try makeFolder(folder) }
    try scratch.write(square(10, 20, red).image.pngBytes(), to: "val/n1/x.png")
    try scratch.write(square(60, 50, blue).image.pngBytes(), to: "val/n2/y.png")
    try scratch.write(#"{"0": ["n1", "red_square"], "1": ["n2", "blue_square"]}"#, to: "index.json")
    let arguments = ["perturbation", "--images", "val", "--class-index", "index.json", "--size", "48"]
    let result = try evaluate(arguments + ["-o", "out", "--explain", "target"])
    expectExit(0, result)
    let object = try #require(try result.json() as? [String: Any])
    #expect(object["accuracy"] as? Double == 1 && object["explain"] as? String == "target")
    #expect(try #require(object["negativeAUC"] as? Double) <= 0.9)
    #expect(object["positiveAUC"] is Double && object["method"] as? String == "legrad")
    expectExit(2, try evaluate(arguments + ["--ground-truth", "g.txt"]), complaint: "--synsets")
    expectExit(
      3, try evaluate(["perturbation", "--images", "val", "--class-index", "none.json"]), complaint: "none.json")
  }

  /// Rows of the wrong count or width are refused before anything is computed.
  @Test func embeddingsInPlaceOfTemplates() throws {
    try makeFolder("val/n1")
    try scratch.write(square(10, 20, red).image.pngBytes(), to: "val/n1/x.png")
    try scratch.write(#"{"0": ["n1", "red_square"], "1": ["n2", "blue_square"]}"#, to: "index.json")
    func run(rows: Int, columns: Int) throws -> CommandResult {
      let values = (0..<rows * columns).map { Float(($0 * 7919) % 101) - 50 }
      let header = "{'descr': '<f4', 'fortran_order': False, 'shape': (\(rows), \(columns)), }"
      let padded = header + String(repeating: " ", count: 117 - header.utf8.count) + "\n"
      var bytes: [UInt8] = [0x93] + Array("NUMPY".utf8) + [1, 0, 118, 0] + Array(padded.utf8)
      for value in values { unsafe withUnsafeBytes(of: value.bitPattern.littleEndian) { unsafe bytes += $0 } }
      try scratch.write(bytes, to: "rows.npy")
      return try evaluate([
        "perturbation", "--images", "val", "--class-index", "index.json", "--size", "16", "--text-embeddings",
        "rows.npy", "-o", "out\(rows)x\(columns)",
      ])
    }
    expectExit(0, try run(rows: 2, columns: 128))
    expectExit(3, try run(rows: 3, columns: 128), complaint: "expected a row for each of 2 classes, found 3")
    expectExit(3, try run(rows: 2, columns: 64), complaint: "rows.npy")
  }

  @Test func aMatFileNeedsTheClassIndex() throws {
    try scratch.write("no HDF5", to: "set.mat")
    expectExit(2, try evaluate(["segmentation", "--dataset", "set.mat"]), complaint: "--class-index")
    try scratch.write(#"{"0": ["n1", "red_square"]}"#, to: "index.json")
    expectExit(
      3, try evaluate(["segmentation", "--dataset", "set.mat", "--class-index", "index.json"]), complaint: "set.mat")
  }
}
