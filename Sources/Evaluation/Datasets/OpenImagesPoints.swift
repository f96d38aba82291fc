import Failures
import Files
import ImageFiles
package import LeGrad
import Texts

/// Point labels of OpenImages V7: people's yes or no to whether a class is at a point (methods §6.2).
package struct OpenImagesPoints: EvaluationDataset {
  package let manifest: Manifest
  package let classIDs, classNames: [String]
  package let leftOut: LeftOut
  /// In the manifest's order.
  private let records: [Record]
  private let descriptionFile: String

  private struct Record {
    let image: ImageFile
    /// A label of the image's that has no name: it cannot be asked for, and the image fails.
    let nameless: PointTable.Nameless?
    /// By class, in the order of the file.
    let points: [Int: [LabelledPoint]]
  }

  private static let descriptionLimit = 1_000_000

  /// Reads the points of those images that are there; an image without a yes or no is left out, as are classes. An image
  /// with a label that has no description, or an empty one, fails when it is read.
  /// - Parameters:
  ///   - images: a folder of `<ImageId>.jpg`, PNG or JPEG.
  ///   - points: `oidv7-val-annotations-point-labels.csv` or the like, read row by row: `ImageId`, `X`, `Y`, `Label`,
  ///     `EstimatedYesNo` (`yes`, `no`, or `unsure`, which is skipped).
  ///   - classDescriptions: `oidv7-class-descriptions.csv`: `LabelName`, `DisplayName`.
  package init(
    images: String, points: String, classDescriptions: String, hashing: ManifestHashing = ManifestHashing()
  ) throws(LeGradError) {
    var leftOut = LeftOut()
    let files = try ImageFile.byStem(images, leftOut: &leftOut)
    self.leftOut = leftOut
    descriptionFile = classDescriptions
    let descriptions = try Self.descriptions(classDescriptions)
    let found = try PointTable(points, images: files.keys, labels: descriptions)
    guard !found.points.isEmpty else {
      throw fault(
        points, expected: "points with yes or no of the \(files.count) pictures in \(images)", found: "none",
        remedy: "a picture's name is its ImageId with .jpg; take the CSV file of the same part of the data set")
    }
    let keys = found.labels.sorted()
    let labels = keys.map(\.text)
    let places = Dictionary(uniqueKeysWithValues: keys.enumerated().map { ($1, $0) })
    guard !labels.isEmpty else {
      throw fault(
        classDescriptions, expected: "the names of the labels in \(points)", found: "none of them",
        remedy: "give the file that describes these labels")
    }
    let ids = found.points.keys.sorted { $0.description.precedes($1.description) }
    records = ids.compactMap { id in
      let points = found.points[id, default: [:]].map { label, points in (places[label, default: 0], points) }
      return files[id].map { image in
        Record(
          image: image, nameless: found.nameless[id], points: Dictionary(uniqueKeysWithValues: points))
      }
    }
    classIDs = labels
    classNames = labels.map { descriptions[$0] ?? $0 }
    manifest = Manifest(try hashing.entries(records.map { Self.source($0, labels: labels) }))
  }

  package func image(at index: Int) throws(LeGradError) -> EvaluationImage { try open(at: index).decode() }

  package func open(at index: Int) throws(LeGradError) -> OpenedImage {
    let record = records[index]
    if let nameless = record.nameless {
      throw fault(
        "\(record.image.stem)", expected: "a name for \(nameless.label) in \(descriptionFile)",
        found: nameless.isDescribed ? "an empty one" : "none", remedy: "add a line with it, or take the image away")
    }
    let file = try record.image.opened()
    return OpenedImage(bytes: file.bytesToDecode) { () throws(LeGradError) in
      let decoded = try file.decoded(upright: false)
      return EvaluationImage(
        id: record.image.stem.description, image: decoded.image, points: record.points,
        storedOrientation: decoded.storedOrientation)
    }
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

  private static func source(_ record: Record, labels: [String]) -> ManifestHashing.Source {
    let truths = record.points.sorted { $0.key < $1.key }.flatMap { index, points in
      [labels[index]] + points.map { "\($0.x) \($0.y) \($0.isPositive)" }
    }
    let nameless = record.nameless.map { ["nameless \($0.label)"] } ?? []
    return .init(
      id: record.image.stem.description, parts: [.file(record.image.path)] + (truths + nameless).map { .text($0) })
  }
}

/// The points of the images that are there.
private struct PointTable {
  struct Nameless {
    let label: String
    let isDescribed: Bool
  }

  /// By image and label.
  private(set) var points: [FilePath: [TextKey: [LabelledPoint]]] = [:]
  /// The first label without a name, by image.
  private(set) var nameless: [FilePath: Nameless] = [:]
  private(set) var labels: Set<TextKey> = []

  init(
    _ path: String, images: some Collection<FilePath>, labels known: TextTable<String>
  ) throws(LeGradError) {
    let images = Set(images)
    // Rows of an image follow one another, and most images of a large file are not there.
    var last: (bytes: [UInt8], id: FilePath?) = ([], nil)
    let columns = ["ImageId", "X", "Y", "Label", "EstimatedYesNo"]
    try CSVFile.forEachRow(of: path, columns: columns) { row throws(LeGradError) in
      let bytes = row.bytes(0)
      if !bytes.elementsEqual(last.bytes) {
        let id = FilePath(bytes: bytes)
        last = (Array(bytes), images.contains(id) ? id : nil)
      }
      guard let id = last.id else { return }
      let answer = try row.text(4)
      guard ["yes", "no", "unsure"].contains(where: answer.isSame) else {
        throw row.error(4, expected: "yes, no or unsure", found: answer)
      }
      let (x, y, label) = (try row.fraction(1), try row.fraction(2), try row.text(3))
      guard !answer.isSame(as: "unsure") else { return }
      guard let name = known[label], !name.allSatisfy(\.isWhitespace) else {
        // The image stays, to fail alone.
        points[id] = points[id] ?? [:]
        nameless[id] = nameless[id] ?? Nameless(label: label, isDescribed: known[label] != nil)
        return
      }
      labels.insert(TextKey(label))
      let point = LabelledPoint(x: x, y: y, isPositive: answer.isSame(as: "yes"))
      points[id, default: [:]][TextKey(label), default: []].append(point)
    }
  }
}
