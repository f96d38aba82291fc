import Failures
package import LeGrad
import Texts

/// Point labels of OpenImages V7: people's yes or no to whether a class is at a point (methods §6.2).
package struct OpenImagesPoints: EvaluationDataset {
  package let manifest: Manifest
  package let classIDs, classNames: [String]
  /// In the manifest's order.
  private let records: [Record]

  private struct Record {
    let image: ImageFile
    /// By class, in the order of the file.
    let points: [Int: [LabelledPoint]]
  }

  private static let descriptionLimit = 1_000_000

  /// Reads the points of those images that are there; an image without a yes or no is left out, as are classes.
  /// - Parameters:
  ///   - images: a folder of `<ImageId>.jpg`, PNG or JPEG.
  ///   - points: `oidv7-val-annotations-point-labels.csv` or the like, read row by row: `ImageId`, `X`, `Y`, `Label`,
  ///     `EstimatedYesNo` (`yes`, `no`, or `unsure`, which is skipped).
  ///   - classDescriptions: `oidv7-class-descriptions.csv`: `LabelName`, `DisplayName`.
  package init(images: String, points: String, classDescriptions: String) throws(LeGradError) {
    let files = try ImageFile.byStem(images)
    let descriptions = try Self.descriptions(classDescriptions)
    let found = try PointTable(points, images: files.keys, labels: descriptions, descriptions: classDescriptions)
    guard !found.points.isEmpty else {
      throw fault(
        points, expected: "points with yes or no of the \(files.count) pictures in \(images)", found: "none",
        remedy: "a picture's name is its ImageId with .jpg; take the CSV file of the same part of the data set")
    }
    let keys = found.labels.sorted()
    let labels = keys.map(\.text)
    let places = Dictionary(uniqueKeysWithValues: keys.enumerated().map { ($1, $0) })
    records = found.points.keys.sorted().map { id in
      let points = found.points[id, default: [:]].map { label, points in (places[label, default: 0], points) }
      return Record(
        image: files[id.text] ?? ImageFile(folder: images, name: id.text, stem: id.text),
        points: Dictionary(uniqueKeysWithValues: points))
    }
    classIDs = labels
    classNames = labels.map { descriptions[$0] ?? $0 }
    manifest = Manifest(records.map { Self.entry($0, labels: labels) })
  }

  package func image(at index: Int) throws(LeGradError) -> EvaluationImage {
    let record = records[index]
    return EvaluationImage(id: record.image.stem, image: try record.image.decoded(), points: record.points)
  }

  private static func descriptions(_ path: String) throws(LeGradError) -> TextTable<String> {
    var names: TextTable<String> = [:]
    try CSVFile.forEachRow(of: path, columns: ["LabelName", "DisplayName"]) { row throws(LeGradError) in
      let label = try row.text(0)
      guard names.count < descriptionLimit else {
        throw row.error(0, expected: "at most \(descriptionLimit) classes", found: "more")
      }
      guard names.updateValue(try row.text(1), forKey: label) == nil else {
        throw row.error(0, expected: "every label once", found: "\(label) again")
      }
    }
    return names
  }

  private static func entry(_ record: Record, labels: [String]) -> Manifest.Entry {
    let truths = record.points.sorted { $0.key < $1.key }.flatMap { index, points in
      [labels[index]] + points.map { "\($0.x) \($0.y) \($0.isPositive)" }
    }
    return Manifest.Entry(id: record.image.stem, of: [.file(record.image.path)] + truths.map { .text($0) })
  }
}

/// The points of the images that are there.
private struct PointTable {
  private(set) var points: [TextKey: [TextKey: [LabelledPoint]]] = [:]
  private(set) var labels: Set<TextKey> = []

  init(
    _ path: String, images: some Collection<String>, labels known: TextTable<String>, descriptions: String
  ) throws(LeGradError) {
    let images = Set(images.map { TextKey($0) })
    // Rows of an image follow one another, and most images of a large file are not there.
    var last: (bytes: [UInt8], id: TextKey?) = ([], nil)
    let columns = ["ImageId", "X", "Y", "Label", "EstimatedYesNo"]
    try CSVFile.forEachRow(of: path, columns: columns) { row throws(LeGradError) in
      let bytes = row.bytes(0)
      if !bytes.elementsEqual(last.bytes) {
        let id = TextKey(String(decoding: bytes, as: UTF8.self))
        last = (Array(bytes), images.contains(id) ? id : nil)
      }
      guard let id = last.id else { return }
      let answer = try row.text(4)
      guard ["yes", "no", "unsure"].contains(where: answer.isSame) else {
        throw row.error(4, expected: "yes, no or unsure", found: answer)
      }
      let (x, y, label) = (try row.fraction(1), try row.fraction(2), try row.text(3))
      guard known[label] != nil else { throw row.error(3, expected: "a LabelName of \(descriptions)", found: label) }
      guard !answer.isSame(as: "unsure") else { return }
      labels.insert(TextKey(label))
      let point = LabelledPoint(x: x, y: y, isPositive: answer.isSame(as: "yes"))
      points[id, default: [:]][TextKey(label), default: []].append(point)
    }
  }
}
