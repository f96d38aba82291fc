import Failures
import Files
import ImageFiles
package import LeGrad

/// Pictures of ImageNet's validation set, or others with one class each, in folders (methods §6.3).
package struct ImageNetFolder: EvaluationDataset {
  package let manifest: Manifest
  package let classIDs, classNames: [String]
  package let numbersClasses = true
  package let leftOut: LeftOut
  /// In the manifest's order.
  private let records: [Record]

  private struct Record {
    let id: String
    let image: ImageFile
    let classIndex: Int
  }

  /// A folder per class, named by its WordNet id: `images/n01440764/ILSVRC2012_val_00000293.JPEG`. An image is called
  /// by folder and file.
  package init(
    images: String, classIndex: ClassIndex, hashing: ManifestHashing = ManifestHashing()
  ) throws(LeGradError) {
    var records: [Record] = []
    var strays = 0
    var leftOut = LeftOut()
    for name in try DatasetFile.names(images) where !name.isHidden {
      let folder = images + "/" + name.text
      guard FileTree.isFolder(folder) else {
        strays += 1
        leftOut.addOutsider()
        continue
      }
      guard let place = classIndex.index(of: name.text) else {
        throw fault(
          folder, expected: "a folder named by a WordNet id of the class index", found: "\(name)",
          remedy: "move it away, or give the class index that has it")
      }
      for image in try ImageFile.list(folder, leftOut: &leftOut) {
        records.append(Record(id: "\(name)/\(image.name)", image: image, classIndex: place))
      }
    }
    guard !records.isEmpty else {
      throw fault(
        images, expected: "a folder per class with pictures in it",
        found: strays > 0 ? "\(strays) files outside such folders" : "none",
        remedy: "sort the pictures into folders named by WordNet ids, or give ground truth and list of classes")
    }
    try self.init(records, classIndex, leftOut, hashing)
  }

  /// A flat folder: the class of `ILSVRC2012_val_00000293.JPEG` is on line 293 of `groundTruth`.
  /// - Parameters:
  ///   - groundTruth: `ILSVRC2012_validation_ground_truth.txt`: an ILSVRC2012 id, from 1, per line.
  ///   - synsets: the WordNet ids of these, which follow another order than those of `classIndex`: a text file of
  ///     `<ILSVRC2012 id> <wnid>` per line, either of them first; what follows is not read. A `meta.mat` must be
  ///     converted.
  package init(
    images: String, classIndex: ClassIndex, groundTruth: String, synsets: String,
    hashing: ManifestHashing = ManifestHashing()
  ) throws(LeGradError) {
    let classes = try Self.classes(groundTruth, synsets: synsets, places: Self.places(synsets, classIndex: classIndex))
    var leftOut = LeftOut()
    let records = try ImageFile.list(images, leftOut: &leftOut).map { image throws(LeGradError) in
      let digits = image.stem.description.reversed().prefix { $0.isASCII && $0.isNumber }.reversed()
      guard let number = Int(String(digits)), classes.indices.contains(number - 1) else {
        throw fault(
          image.path, expected: "a number from 1 to \(classes.count) at the name's end, a line of \(groundTruth)",
          found: "\(image.stem)", remedy: "keep the names of the archive: ILSVRC2012_val_00000001.JPEG")
      }
      return Record(id: "\(image.name)", image: image, classIndex: classes[number - 1])
    }
    guard !records.isEmpty else {
      throw fault(
        images, expected: "PNG or JPEG files", found: "none",
        remedy: "without ground truth, there is a folder per class; with it, the pictures lie together")
    }
    try self.init(records, classIndex, leftOut, hashing)
  }

  private init(
    _ records: [Record], _ classIndex: ClassIndex, _ leftOut: LeftOut, _ hashing: ManifestHashing
  ) throws(LeGradError) {
    self.leftOut = leftOut
    let sorted = records.sorted { $0.id.utf8.lexicographicallyPrecedes($1.id.utf8) }
    self.records = sorted
    classIDs = classIndex.ids
    classNames = classIndex.names
    manifest = Manifest(
      try hashing.entries(
        sorted.map { .init(id: $0.id, parts: [.file($0.image.path), .text(classIndex.ids[$0.classIndex])]) }))
  }

  package func image(at index: Int) throws(LeGradError) -> EvaluationImage { try open(at: index).decode() }

  package func open(at index: Int) throws(LeGradError) -> OpenedImage {
    let record = records[index]
    let file = try record.image.opened()
    return OpenedImage(bytes: file.bytesToDecode) { () throws(LeGradError) in
      // As the public code of the protocol reads them.
      let decoded = try file.decoded(upright: false)
      return EvaluationImage(
        id: record.id, image: decoded.image, classIndex: record.classIndex,
        storedOrientation: decoded.storedOrientation)
    }
  }
}

extension ImageNetFolder {
  private static let listLimit = 16 << 20

  /// Which class of the class index an ILSVRC2012 id is.
  private static func places(_ path: String, classIndex: ClassIndex) throws(LeGradError) -> [Int: Int] {
    let bytes = try DatasetFile.bytes(path, limit: listLimit)
    guard !bytes.starts(with: "MATLAB 5.0".utf8) else {
      let conversion =
        "python3 -c \"import sys, scipy.io; [print(s[0], s[1]) for s in "
        + "scipy.io.loadmat(sys.argv[1], squeeze_me=True)['synsets'] if s[4] == 0]\" '\(path)' > synsets.txt"
      throw fault(
        path, expected: "a text file of \"<ILSVRC2012 id> <wnid>\" per line", found: "a MATLAB file",
        remedy: "convert it: \(conversion)")
    }
    var places: [Int: Int] = [:]
    for line in try DatasetFile.lines(path, limit: listLimit) {
      func error(expected: String, found: String) -> LeGradError {
        fault(path, "line \(line.number)", expected: expected, found: found, remedy: "correct the line")
      }
      let words = line.text.split(whereSeparator: \.isWhitespace).prefix(2)
      if words.isEmpty { continue }
      guard words.count == 2, let number = words.compactMap({ Int($0) }).first,
        let wnid = words.first(where: { Int($0) == nil }), number > 0
      else { throw error(expected: "\"<ILSVRC2012 id> <wnid>\"", found: String(line.text)) }
      guard let place = classIndex.index(of: String(wnid)) else {
        throw error(expected: "a WordNet id of the class index", found: String(wnid))
      }
      guard places.updateValue(place, forKey: number) == nil else {
        throw error(expected: "every number once", found: "\(number) again")
      }
    }
    return places
  }

  /// The classes of the images, in the order of their numbers.
  private static func classes(_ path: String, synsets: String, places: [Int: Int]) throws(LeGradError) -> [Int] {
    try DatasetFile.lines(path, limit: listLimit).map { line throws(LeGradError) in
      let words = line.text.split(whereSeparator: \.isWhitespace)
      guard words.count == 1, let number = Int(words[0]), let place = places[number] else {
        throw fault(
          path, "line \(line.number)", expected: "an ILSVRC2012 id of \(synsets)", found: String(line.text),
          remedy: "give both files of one release")
      }
      return place
    }
  }
}
