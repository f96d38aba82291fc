import Failures
import Files
package import LeGrad

/// Pictures of ImageNet's validation set, or others with one class each, in folders (methods §6.3).
package struct ImageNetFolder: EvaluationDataset {
  package let manifest: Manifest
  package let classIDs: [String]
  package let classNames: [String]
  /// In the manifest's order.
  private let records: [Record]

  private struct Record {
    let id: String
    let image: ImageFile
    let classIndex: Int
  }

  /// A folder per class, named by its WordNet id: `images/n01440764/ILSVRC2012_val_00000293.JPEG`. An image is called by
  /// folder and file.
  package init(images: String, classIndex: ClassIndex) throws(LeGradError) {
    var records: [Record] = []
    var strays = 0
    for name in try ImageFile.names(images) where !name.hasPrefix(".") {
      let folder = images + "/" + name
      guard FileTree.isFolder(folder) else {
        strays += 1
        continue
      }
      guard let place = classIndex.index(of: name) else {
        throw fault(
          folder, expected: "a folder named by a WordNet id of the class index", found: name,
          remedy: "move it away, or give the class index that has it")
      }
      for image in try ImageFile.list(folder) {
        records.append(Record(id: name + "/" + image.name, image: image, classIndex: place))
      }
    }
    guard !records.isEmpty else {
      throw fault(
        images, expected: "a folder per class with pictures in it",
        found: strays > 0 ? "\(strays) files outside such folders" : "none",
        remedy: "sort the pictures into folders named by WordNet ids, or give ground truth and list of classes")
    }
    self.init(records, classIndex)
  }

  /// A flat folder: the class of `ILSVRC2012_val_00000293.JPEG` is on line 293 of `groundTruth`.
  /// - Parameters:
  ///   - groundTruth: `ILSVRC2012_validation_ground_truth.txt`: an ILSVRC2012 id, from 1, per line.
  ///   - synsets: the WordNet ids of these, which follow another order than those of `classIndex`: a text file of
  ///     `<ILSVRC2012 id> <wnid>` per line, either of them first; what follows is not read. A `meta.mat` must be
  ///     converted.
  package init(
    images: String, classIndex: ClassIndex, groundTruth: String, synsets: String
  ) throws(LeGradError) {
    let places = try SynsetList.read(synsets, classIndex: classIndex)
    let classes = try GroundTruthList.read(groundTruth, synsets: synsets, places: places)
    let records = try ImageFile.list(images).map { image throws(LeGradError) in
      let digits = image.stem.reversed().prefix { $0.isASCII && $0.isNumber }.reversed()
      guard let number = Int(String(digits)), classes.indices.contains(number - 1) else {
        throw fault(
          image.path, expected: "a number from 1 to \(classes.count) at the name's end, a line of \(groundTruth)",
          found: image.stem, remedy: "keep the names of the archive: ILSVRC2012_val_00000001.JPEG")
      }
      return Record(id: image.name, image: image, classIndex: classes[number - 1])
    }
    guard !records.isEmpty else {
      throw fault(
        images, expected: "PNG or JPEG files", found: "none",
        remedy: "without ground truth, there is a folder per class; with it, the pictures lie together")
    }
    self.init(records, classIndex)
  }

  private init(_ records: [Record], _ classIndex: ClassIndex) {
    let sorted = records.sorted { $0.id.utf8.lexicographicallyPrecedes($1.id.utf8) }
    self.records = sorted
    classIDs = classIndex.ids
    classNames = classIndex.names
    manifest = Manifest(
      sorted.map { record in
        var hash = EntryHash()
        hash.add(file: record.image.path)
        hash.add(text: classIndex.ids[record.classIndex])
        return hash.entry(id: record.id)
      })
  }

  package func image(at index: Int) throws(LeGradError) -> EvaluationImage {
    let record = records[index]
    return EvaluationImage(id: record.id, image: try record.image.decoded(), classIndex: record.classIndex)
  }
}
