import FoundationEssentials
import ImageFiles
import TestSupport
import Testing

@testable import Evaluation

@Suite("Data sets with something wrong")
struct MalformedDatasetTests {
  let scratch: ScratchFolder
  let classIndex: ClassIndex

  init() throws {
    scratch = try ScratchFolder()
    classIndex = try ClassIndex(path: Expected.path("imagenet_class_index.json"))
  }

  @Test(
    "class index",
    arguments: [
      ("{}", "classes: expected at least one, found none"),
      ("[1]", "expected a JSON object, found an array of 1"),
      (#"{"0": ["n01", "a"], "2": ["n02", "b"]}"#, #""1": expected [wnid, name], found nothing"#),
      (#"{"0": ["n01"]}"#, #""0": expected [wnid, name], found an array of 1"#),
      (#"{"0": ["n01", ""]}"#, #""0": expected [wnid, name]"#),
      (#"{"0": ["n01", "a"], "1": ["n01", "b"]}"#, #""1": expected every id once, found n01 twice"#),
      (#"{"0": ["n01", "a"]"#, "byte 18: expected"),
    ])
  func badClassIndex(json: String, reason: String) throws {
    let path = try scratch.write(Array(json.utf8), "index.json")
    expect(reason) { _ = try ClassIndex(path: path) }
  }

  // MARK: points

  private static let header = "ImageId,X,Y,Label,EstimatedYesNo\n"

  private func points(_ csv: String) throws -> OpenImagesPoints {
    let folder = Expected.path("openimages/")
    let path = try scratch.write(Array(csv.utf8), "points.csv")
    return try OpenImagesPoints(
      images: folder + "images", points: path, classDescriptions: folder + "class-descriptions.csv")
  }

  @Test(
    "points: file and line, for images that are there",
    arguments: [
      ("ImageId,X,Y,Label\n", "points.csv: line 1: expected one column named EstimatedYesNo"),
      (header + "no-points,0.5,1.01,/m/01g317,yes\n", "line 2, column Y: expected a number from 0 to 1, found 1.01"),
      (header + "x,,,,\nno-points,nan,0,/m/01g317,yes\n", "line 3, column X: expected a number from 0 to 1, found nan"),
      (header + "no-points,,0,/m/01g317,yes\n", "line 2, column X: expected a number from 0 to 1, found nothing"),
      (header + "no-points,0.5,0.5,/m/01g317,Yes\n", "line 2, column EstimatedYesNo: expected yes, no or unsure"),
      (header + "no-points,0.5,0.5,/m/other,unsure\n", "of the 5 pictures in"),
      (header + "not-there,0.5,0.5,/m/01g317,yes\n", "of the 5 pictures in"),
      (header + "no-points,0.5,0.5,/m/01g317,unsure\n", "of the 5 pictures in"),
    ])
  func badPoints(csv: String, reason: String) {
    expect(reason) { _ = try points(csv) }
  }

  @Test("points: a picture that is none fails alone")
  func badPicture() throws {
    let images = try folder("images")
    try copy("openimages/images/no-points.jpg", to: images + "/a.jpg")
    try scratch.write(Array("no picture".utf8), "images/b.jpg")
    let csv = Self.header + "a,0,1,/m/01g317,yes\nb,1,0,/m/01g317,no\n"
    let dataset = try OpenImagesPoints(
      images: images, points: scratch.write(Array(csv.utf8), "points.csv"),
      classDescriptions: Expected.path("openimages/class-descriptions.csv"))
    #expect(dataset.manifest.entries.map(\.id) == ["a", "b"])
    #expect(try dataset.image(at: 0).points == [0: [LabelledPoint(x: 0, y: 1, isPositive: true)]])
    expect("b.jpg: the picture's format is not supported") { _ = try dataset.image(at: 1) }
    try FileManager.default.removeItem(atPath: images + "/a.jpg")
    expect("a.jpg: the file cannot be opened") { _ = try dataset.image(at: 0) }
  }

  @Test("points: descriptions with a label twice, pictures with a name twice")
  func twice() throws {
    let images = try folder("images")
    let points = try scratch.write(Array(Self.header.utf8), "points.csv")
    let descriptions = try scratch.write(Array("LabelName,DisplayName\n/m/1,a\n/m/1,b\n".utf8), "classes.csv")
    expect("classes.csv: line 3, column LabelName: expected every label once, found /m/1 again") {
      _ = try OpenImagesPoints(images: images, points: points, classDescriptions: descriptions)
    }
    for name in ["a.jpg", "a.PNG"] { try scratch.write([], "images/" + name) }
    expect("expected one picture named a, found a.PNG and a.jpg") {
      _ = try OpenImagesPoints(images: images, points: points, classDescriptions: descriptions)
    }
  }

  // MARK: masks

  /// A copy of the folder of the fixtures.
  private func maskFolder() throws -> String {
    let path = scratch.path + "/mask-folder"
    try FileManager.default.copyItem(atPath: Expected.path("mask-folder"), toPath: path)
    return path
  }

  @Test(
    "classes of the pictures",
    arguments: [
      (#"{"A10": "x", "b": "y"}"#, #"classes.json: "a-2": expected the name of its class, found nothing"#),
      (#"{"A10": "x", "b": 3, "a-2": "z"}"#, #"classes.json: "b": expected the name of its class, found 3"#),
      ("[]", "classes.json: expected a JSON object"),
    ])
  func badClasses(json: String, reason: String) throws {
    let path = try maskFolder()
    try scratch.write(Array(json.utf8), "mask-folder/classes.json")
    expect(reason) { _ = try MaskFolder(path: path) }
  }

  @Test("a mask that is missing or bad fails its image alone; one too many is an error")
  func badMasks() throws {
    let path = try maskFolder()
    try FileManager.default.removeItem(atPath: path + "/masks/A10.png")
    try copy("images/rgb16-13x11.png", to: path + "/masks/a-2.png", from: "")
    try copy("images/grey1-3x2.png", to: path + "/masks/b.png", from: "")
    let dataset = try MaskFolder(path: path)
    expect("A10.JPEG: expected masks/A10.png, found no mask") { _ = try dataset.image(at: 0) }
    expect("a-2.png: expected at most 8 bits a channel, found 16") { _ = try dataset.image(at: 1) }
    expect("b.png: expected 1") { _ = try dataset.image(at: 2) }
    expect("found 3 × 2") { _ = try dataset.image(at: 2) }

    try copy("mask-folder/images/b.jpg", to: path + "/masks/b.png")
    let second = try MaskFolder(path: path)
    expect("b.png: expected a PNG mask, found a JPEG") { _ = try second.image(at: 2) }
    #expect(second.manifest != dataset.manifest)

    try copy("mask-folder/masks/b.png", to: path + "/masks/c.png")
    expect("masks/c.png: expected a picture of this name in images") { _ = try MaskFolder(path: path) }
  }

  @Test("folders that are missing or empty")
  func emptyFolders() throws {
    expect("images: opening: expected a readable folder") { _ = try MaskFolder(path: scratch.path) }
    let images = try folder("images")
    expect("images: expected PNG or JPEG files, found none") { _ = try MaskFolder(path: scratch.path) }
    expect("expected a folder per class with pictures in it, found none") {
      _ = try ImageNetFolder(images: images, classIndex: classIndex)
    }
  }

  // MARK: ImageNet

  @Test("ImageNet: a flat folder without ground truth, a folder of no class")
  func badFolders() throws {
    expect("found 5 files outside such folders") {
      _ = try ImageNetFolder(images: Expected.path("imagenet-val/flat"), classIndex: classIndex)
    }
    let images = try folder("images")
    _ = try folder("images/cats")
    expect("images/cats: expected a folder named by a WordNet id of the class index") {
      _ = try ImageNetFolder(images: images, classIndex: classIndex)
    }
  }

  private func flat(
    images: String = Expected.path("imagenet-val/flat"),
    groundTruth: String = Expected.path("imagenet-val/ILSVRC2012_validation_ground_truth.txt"),
    synsets: String = Expected.path("imagenet-val/synsets.txt")
  ) throws -> ImageNetFolder {
    try ImageNetFolder(images: images, classIndex: classIndex, groundTruth: groundTruth, synsets: synsets)
  }

  @Test("ImageNet: meta.mat is refused with the command that converts it")
  func metaFile() {
    let path = Expected.path("imagenet-val/meta.mat")
    expect("found a MATLAB file; convert it: python3 -c \"import sys, scipy.io;") { _ = try flat(synsets: path) }
    expect("'\(path)' > synsets.txt") { _ = try flat(synsets: path) }
  }

  @Test(
    "ImageNet: list of classes",
    arguments: [
      ("1\n", "line 1: expected \"<ILSVRC2012 id> <wnid>\", found 1"),
      ("1 n01440764\n\nx n01443537\n", "line 3: expected \"<ILSVRC2012 id> <wnid>\""),
      ("0 n01440764\n", "line 1: expected \"<ILSVRC2012 id> <wnid>\""),
      ("1 n01440764\n2 n00000000\n", "line 2: expected a WordNet id of the class index, found n00000000"),
      ("1 n01440764\n1 n01443537\n", "line 2: expected every number once, found 1 again"),
    ])
  func badSynsets(text: String, reason: String) throws {
    let path = try scratch.write(Array(text.utf8), "synsets.txt")
    expect(reason) { _ = try flat(synsets: path) }
  }

  @Test(
    "ImageNet: ground truth",
    arguments: [
      ("1\n5\n", "truth.txt: line 2: expected an ILSVRC2012 id of"),
      ("1\n\n1\n", "truth.txt: line 2: expected an ILSVRC2012 id of"),
      ("n01440764\n", "truth.txt: line 1: expected an ILSVRC2012 id of"),
      ("1\n1\n1\n1\n", "ILSVRC2012_val_00000005.JPEG: expected a number from 1 to 4 at the name's end"),
    ])
  func badGroundTruth(text: String, reason: String) throws {
    let path = try scratch.write(Array(text.utf8), "truth.txt")
    expect(reason) { _ = try flat(groundTruth: path) }
  }

  @Test("ImageNet: a picture without a number, and none at all")
  func badNames() throws {
    let images = try folder("images")
    expect("images: expected PNG or JPEG files, found none") { _ = try flat(images: images) }
    try scratch.write([], "images/ILSVRC2012_val_.JPEG")
    expect("ILSVRC2012_val_.JPEG: expected a number from 1 to 5") { _ = try flat(images: images) }
  }

  // MARK: helpers

  private func expect(_ reason: String, _ body: () throws -> Void) {
    let message = failure(body)
    #expect(message?.contains(reason) == true, "\(message ?? "no error")")
    #expect(message?.contains("\n") != true)
  }

  private func folder(_ name: String) throws -> String {
    let path = scratch.path + "/" + name
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    return path
  }

  /// Copies a fixture over what is there.
  private func copy(_ name: String, to path: String, from folder: String = "evaluation/") throws {
    try? FileManager.default.removeItem(atPath: path)
    try FileManager.default.copyItem(atPath: Fixtures.path(folder + name), toPath: path)
  }
}

@Suite("Manifest of a data set")
struct ManifestEntryTests {
  @Test("parts do not run into one another")
  func parts() {
    func hash(_ texts: [String]) -> String { Manifest.Entry(id: "", of: texts.map { .text($0) }).hash }
    #expect(Set([["ab", "c"], ["a", "bc"], ["abc"], ["abc", ""]].map(hash)).count == 4)
  }

  @Test("a file's bytes count, not its name; one that is missing is told apart")
  func files() throws {
    let scratch = try ScratchFolder()
    func entry(_ name: String) -> Manifest.Entry {
      Manifest.Entry(id: "x", of: [.file(scratch.path + "/" + name)])
    }
    for (name, text) in [("a", "one"), ("b", "one"), ("c", "two"), ("d", "")] {
      try scratch.write(Array(text.utf8), name)
    }
    #expect(entry("a") == entry("b"))
    #expect(entry("a").byteCount == 3)
    #expect(Set(["a", "c", "d", "missing"].map { entry($0).hash }).count == 4)
  }
}
