import ImageFiles
package import LeGrad
package import Processes
import Texts

/// ImageNet-Segmentation: `gtsegs_ijcv.mat`, a MATLAB 7.3 (HDF5) file with 4,276 images and their masks inside
/// (methods §6.1).
package struct ImageNetSegmentation: EvaluationDataset {
  package let manifest: Manifest
  package let classIDs, classNames: [String]
  package let numbersClasses = true
  private let file: HDF5Reader
  /// In the manifest's order.
  private let records: [Record]

  private struct Record {
    let id: String
    /// Place in the file, from 0.
    let place: Int
    let image, mask: HDF5Reference
    let classIndex: Int?
  }

  /// Pixels of a picture or a mask.
  private var pixelLimit: Int { min(RGBImage.defaultPixelLimit, RGBImage.pixelsThatFit()) }

  private static let imageLimit = 1_000_000
  private static let nameLimit = 1_000

  /// Reads the list of images; the images themselves are read one by one, later.
  ///
  /// An image is of the class whose WordNet id its name `<wnid>_<number>` begins with; of none if `classIndex` lacks
  /// it.
  /// - Parameter reader: what reads the file in a process of its own, by `HDF5Service`.
  package init(
    path: String, classIndex: ClassIndex, reader: AnsweringProcess.Start, hashing: ManifestHashing = ManifestHashing()
  ) throws(LeGradError) {
    let file = try HDF5Reader(path: path, reader)
    let lists = try ["id", "img", "gt"].map { name throws(LeGradError) in
      try file.array(
        of: HDF5Reference.self, at: .path("/value/\(name)"), place: "/value/\(name)", rank: 2, limit: Self.imageLimit
      ).values
    }
    guard lists.allSatisfy({ $0.count == lists[0].count }) else {
      throw file.fault(
        "/value", expected: "as many ids as images and masks",
        found: lists.map { "\($0.count)" }.joined(separator: ", "))
    }
    var records: [Record] = []
    var ids: Set<TextKey> = []
    for place in lists[0].indices {
      let name = "/value/id[\(place)]"
      let units = try file.array(
        of: UInt16.self, at: .reference(lists[0][place]), place: name, rank: 2, limit: Self.nameLimit
      ).values
      guard let id = String(validating: units, as: UTF16.self),
        let wnid = id.utf8.split(separator: UInt8(ascii: "_")).first
      else {
        throw file.fault(name, expected: "<wnid>_<number>", found: "other text")
      }
      guard ids.insert(TextKey(id)).inserted else {
        throw file.fault(name, expected: "every id once", found: "\(id) again")
      }
      records.append(
        Record(
          id: id, place: place, image: lists[1][place], mask: lists[2][place],
          classIndex: classIndex.index(of: String(Substring(wnid)))))
    }
    self.file = file
    self.records = records.sorted { $0.id.utf8.lexicographicallyPrecedes($1.id.utf8) }
    // All images lie in one file: its bytes stand for each of them, and need not be unpacked twice.
    let whole = try hashing.entries([.init(id: "", parts: [.file(path)])])[0]
    manifest = Manifest(
      try self.records.map { record throws(LeGradError) in
        let entry = try Manifest.Entry(id: record.id, of: [.text(whole.hash + " " + record.id)])
        return .init(id: record.id, byteCount: whole.byteCount, hash: entry.hash)
      })
    classIDs = classIndex.ids
    classNames = classIndex.names
  }

  package func image(at index: Int) throws(LeGradError) -> EvaluationImage {
    let record = records[index]
    return EvaluationImage(
      id: record.id, image: try picture(record), classIndex: record.classIndex, mask: try mask(record))
  }

  /// MATLAB's arrays are stored last dimension first: channel, column, row.
  private func picture(_ record: Record) throws(LeGradError) -> RGBImage {
    let place = "/value/img[\(record.place)]"
    let array = try file.array(
      of: UInt8.self, at: .reference(record.image), place: place, rank: 3, limit: 3 * pixelLimit)
    let (width, height) = (array.shape[1], array.shape[2])
    guard array.shape[0] == 3, max(width, height) <= RGBImage.sideLimit else {
      throw file.fault(
        place, expected: "3 channels × columns × rows", found: array.shape.map { "\($0)" }.joined(separator: " × "))
    }
    let pixels = (0..<array.values.count).map { index in
      array.values[(index % 3 * width + index / 3 % width) * height + index / (3 * width)]
    }
    return RGBImage(width: width, height: height, pixels: pixels)
  }

  /// The first of the masks that the image's cell holds: column, row.
  private func mask(_ record: Record) throws(LeGradError) -> LabelMask {
    let place = "/value/gt[\(record.place)]"
    let cell = try file.array(
      of: HDF5Reference.self, at: .reference(record.mask), place: place, rank: 2, limit: Self.nameLimit)
    let array = try file.array(
      of: HDF5Label.self, at: .reference(cell.values[0]), place: place + "{0}", rank: 2,
      limit: pixelLimit)
    let (width, height) = (array.shape[0], array.shape[1])
    let values = (0..<array.values.count).map { array.values[$0 % width * height + $0 / width].value }
    return LabelMask(height: height, width: width, values: values)
  }
}
